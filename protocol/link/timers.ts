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
