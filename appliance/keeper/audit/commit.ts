/**
 * Group commit: whatever is handed in while one batch is being made durable goes into the next, so that many callers
 * share one write and one sync.
 */

interface Waiting<T, R> {
  item: T
  resolve: (result: R) => void
  reject: (error: unknown) => void
}

export class GroupCommit<T, R> {
  readonly #commit: (items: T[]) => Promise<R[]>
  readonly #batchSize: (items: readonly T[]) => number
  #queue: Waiting<T, R>[] = []
  #inFlight = 0
  #running: Promise<void> | null = null

  /**
   * @param commit makes all of them durable and gives a result for each, or throws for all of them
   * @param batchSize how many of those that wait go into one batch, at least 1
   */
  constructor(commit: (items: T[]) => Promise<R[]>, batchSize: (items: readonly T[]) => number) {
    this.#commit = commit
    this.#batchSize = batchSize
  }

  /** How many were handed in and have no answer yet. */
  get pending(): number {
    return this.#queue.length + this.#inFlight
  }

  /** @returns the result of the item, when it is durable; order of calls is order of commits */
  submit(item: T): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    this.#queue.push({ item, resolve, reject })
    this.#running ??= this.#run()
    return promise
  }

  /** When nothing is pending. Never rejects. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // Those who ask in the same turn of the event loop share the first batch too.
    await null
    while (this.#queue.length > 0) {
      const items = this.#queue.map(({ item }) => item)
      const batch = this.#queue.splice(0, Math.max(1, this.#batchSize(items)))
      this.#inFlight = batch.length
      try {
        const results = await this.#commit(items.slice(0, batch.length))
        this.#inFlight = 0
        for (const [i, { resolve }] of batch.entries()) resolve(results[i]!)
      } catch (error) {
        this.#inFlight = 0
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = null
  }
}
