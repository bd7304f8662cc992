/**
 * One sliding window of a budget: how many operations, and how many distinct records, happened within its length.
 *
 * Time is cut into 60 buckets per window, and what happened counts until its whole bucket has left the window: up to a
 * sixtieth longer than the window, never shorter. So each question costs at most 61 steps, however much is counted.
 */

/** Buckets per length of the window. */
export const BUCKETS = 60
/** One more than that can be in the window at once, the oldest and the newest in part. */
const LIVE = BUCKETS + 1

export class SlidingWindow {
  /** ms */
  readonly #width: number
  /** The bucket of now. */
  #newest = 0
  readonly #operations = new Uint32Array(LIVE)
  #operationCount = 0
  /** Of each bucket, the records that were last seen in it. */
  readonly #seen = new Uint32Array(LIVE)
  /** Record → the bucket in which it was last seen, longest ago first. */
  readonly #records = new Map<string, number>()
  /** Most records that are worth keeping: with one more than the largest limit, every budget is over. 0 keeps none. */
  #keptRecords = 0
  #countsOperations = false

  /** @param length ms */
  constructor(length: number) {
    this.#width = length / BUCKETS
  }

  /** Operations in the window. */
  get operations(): number {
    return this.#operationCount
  }

  /** Distinct records in the window, as far as they are kept. */
  get records(): number {
    return this.#records.size
  }

  /**
   * Sets what has to be counted.
   * @param records the largest limit of records, 0 for none
   * @returns true when that is more than before
   */
  keep(records: number, operations: boolean): boolean {
    const kept = records === 0 ? 0 : records + 1
    const grown = kept > this.#keptRecords || (operations && !this.#countsOperations)
    this.#keptRecords = kept
    this.#countsOperations = operations
    if (!operations) this.#clearOperations()
    this.#trim()
    return grown
  }

  /** Moves on to an instant, in ms; an earlier one than before changes nothing. */
  advance(now: number): void {
    const newest = Math.floor(now / this.#width)
    if (newest <= this.#newest) return
    const passed = Math.min(newest - this.#newest, LIVE)
    this.#newest = newest
    for (let bucket = newest; bucket > newest - passed; bucket--) {
      const slot = bucket % LIVE
      this.#operationCount -= this.#operations[slot]!
      this.#operations[slot] = 0
      this.#seen[slot] = 0
    }
    for (const [name, bucket] of this.#records) {
      if (bucket > newest - LIVE) break
      this.#records.delete(name)
    }
  }

  /** Counts an operation on a record, now. */
  add(name: string): void {
    const slot = this.#newest % LIVE
    if (this.#countsOperations) {
      this.#operations[slot]! += 1
      this.#operationCount += 1
    }
    if (this.#keptRecords === 0) return
    const bucket = this.#records.get(name)
    if (bucket === this.#newest) return
    if (bucket !== undefined) {
      this.#seen[bucket % LIVE]! -= 1
      this.#records.delete(name)
    }
    this.#records.set(name, this.#newest)
    this.#seen[slot]! += 1
    this.#trim()
  }

  /** @returns `null` when one more operation stays within `limit`, else the instant (ms) from which on it does */
  roomForOperation(limit: number): number | null {
    if (this.#operationCount < limit) return null
    return this.#whenGone(this.#operations, this.#operationCount - limit + 1, -1)
  }

  /**
   * @param name `null` for one that was not seen before
   * @returns `null` when an operation on this record stays within `limit`, else the instant (ms) from which on it does
   */
  roomForRecord(limit: number, name: string | null): number | null {
    const bucket = name === null ? undefined : this.#records.get(name)
    const others = this.#records.size - (bucket === undefined ? 0 : 1)
    if (others < limit) return null
    return this.#whenGone(this.#seen, others - limit + 1, bucket ?? -1)
  }

  /** A window that has counted the same, and goes on by itself. */
  copy(): SlidingWindow {
    const copy = new SlidingWindow(this.#width * BUCKETS)
    copy.#newest = this.#newest
    copy.#operations.set(this.#operations)
    copy.#operationCount = this.#operationCount
    copy.#seen.set(this.#seen)
    for (const [name, bucket] of this.#records) copy.#records.set(name, bucket)
    copy.#keptRecords = this.#keptRecords
    copy.#countsOperations = this.#countsOperations
    return copy
  }

  clear(): void {
    this.#clearOperations()
    this.#records.clear()
    this.#seen.fill(0)
  }

  /** When the oldest `count` have left the window; one in bucket `except` is not among them. */
  #whenGone(counts: Uint32Array, count: number, except: number): number {
    let left = count
    for (let bucket = this.#newest - BUCKETS; bucket < this.#newest; bucket++) {
      if (bucket < 0) continue
      left -= counts[bucket % LIVE]! - (bucket === except ? 1 : 0)
      if (left <= 0) return (bucket + LIVE) * this.#width
    }
    return (this.#newest + LIVE) * this.#width
  }

  #trim(): void {
    for (const [name, bucket] of this.#records) {
      if (this.#records.size <= this.#keptRecords) return
      this.#records.delete(name)
      this.#seen[bucket % LIVE]! -= 1
    }
  }

  #clearOperations(): void {
    this.#operations.fill(0)
    this.#operationCount = 0
  }
}
