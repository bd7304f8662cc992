/**
 * Budget time: how much time has passed according to the log, so that a clock that is set resets no budget.
 *
 * Within one boot it runs with the monotonic clock. Over a change of boot only the clock on the wall knows how long the
 * device was off; what it says is believed between nothing and three days.
 */

/** The most that one change of boot can add, in ms. */
export const MAX_OFF_MS = 3 * 86_400_000

/** One reading of the device's clocks. */
export interface ClockReading {
  /** Changes with every boot. */
  readonly boot: string
  /** ms since that boot, which nobody can set. */
  readonly up: number
  /** ms since 1970. */
  readonly wall: number
}

export class BudgetTime {
  #boot: string | null = null
  #up = 0
  #wall = 0
  #elapsed = 0

  /** ms of budget time at the latest reading; 0 at the first one. */
  get now(): number {
    return this.#elapsed
  }

  /**
   * Takes the next reading: first those of the log in its order, then those of now.
   * @returns ms of budget time, never less than before
   */
  observe({ boot, up, wall }: ClockReading): number {
    if (boot === this.#boot) {
      // Readings of concurrent requests may come in another order than they were taken.
      this.#elapsed += Math.max(0, up - this.#up)
      this.#up = Math.max(this.#up, up)
    } else {
      if (this.#boot !== null) this.#elapsed += Math.min(MAX_OFF_MS, Math.max(0, wall - this.#wall))
      this.#boot = boot
      this.#up = up
    }
    this.#wall = wall
    return this.#elapsed
  }
}
