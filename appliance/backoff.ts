/**
 * How refused tries slow the next ones down: the first few are free, then each further one doubles the wait. Pure: the
 * time is passed in, and what is remembered can be taken out and put back.
 */

/** Limits of one table. */
export interface BackoffLimits {
  /** Refused tries without a wait. */
  free: number
  /** Seconds to wait after the first try that is not free; doubled with each further one. */
  first: number
  /** Seconds, at most. A source that was quiet for twice as long is forgotten. */
  longest: number
}

/** What is remembered of one source: refused tries, and when the latest was (ms of the caller's clock). */
export type Tried = readonly [source: string, count: number, latest: number]

/** Sources that are remembered; the one that was quiet for longest makes room. */
const MAX_SOURCES = 4096

export class Backoff {
  readonly #tried = new Map<string, { count: number; latest: number }>()
  #limits: BackoffLimits

  constructor(limits: BackoffLimits) {
    this.#limits = limits
  }

  set limits(limits: BackoffLimits) {
    this.#limits = limits
  }

  /** @returns ms until this source may try again; 0 when it may now */
  wait(source: string, now: number): number {
    const tried = this.#tried.get(source)
    if (!tried) return 0
    const { free, first, longest } = this.#limits
    const quiet = now - tried.latest
    if (quiet > 2000 * longest) {
      this.#tried.delete(source)
      return 0
    }
    if (tried.count < free) return 0
    const pause = Math.min(first * 2 ** (tried.count - free), longest) * 1000
    // A clock that was set back must not lengthen the wait.
    return Math.min(pause, Math.max(0, pause - quiet))
  }

  /** Counts a refused try. */
  refused(source: string, now: number): void {
    const count = (this.#tried.get(source)?.count ?? 0) + 1
    // Set anew, so that the map stays in the order of the latest tries.
    this.#tried.delete(source)
    this.#tried.set(source, { count, latest: now })
    if (this.#tried.size > MAX_SOURCES) this.#tried.delete(this.#tried.keys().next().value!)
  }

  /** Forgets a source: its try succeeded. */
  succeeded(source: string): void {
    this.#tried.delete(source)
  }

  /** Everything that is remembered, the longest quiet first. */
  remembered(): Tried[] {
    return [...this.#tried].map(([source, { count, latest }]) => [source, count, latest])
  }

  /** Puts back what {@link remembered} gave. */
  remember(tried: readonly Tried[]): void {
    for (const [source, count, latest] of tried) this.#tried.set(source, { count, latest })
  }
}
