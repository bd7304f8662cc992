/**
 * The timers that a link is given, so that tests and simulations can own the time.
 */

/** Starts and stops timers; delays in ms. */
export interface Timers {
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** The timers of the runtime. They never keep a process alive. */
export const realTimers: Timers = {
  setTimeout: (callback, ms) => setTimeout(callback, ms).unref(),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
}

/** As {@link realTimers}, for what has to go on when nothing else keeps the process alive. */
export const holdingTimers: Timers = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: realTimers.clearTimeout,
}
