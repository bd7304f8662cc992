/** Notices that the machine slept: the clock on the wall went on, the clock that counts only waking time did not. */

const EVERY_MS = 2000
/** Less is the imprecision of timers, and a clock that is being set right. */
const JUMP_MS = 5000

/** What is read to notice it; the runtime's own by default. */
export interface Clocks {
  /** Ms since 1970. */
  wall(): number
  /** Ms of waking time. */
  awake(): number
  setInterval(callback: () => void, ms: number): unknown
  clearInterval(timer: unknown): void
}

const REAL: Clocks = {
  wall: () => Date.now(),
  awake: () => performance.now(),
  setInterval: (callback, ms) => setInterval(callback, ms).unref(),
  clearInterval: timer => clearInterval(timer as NodeJS.Timeout),
}

/**
 * Calls back after each sleep, and when somebody set the clock: both are reasons to look whether what was connected
 * still is.
 *
 * @param onJump takes how far the wall clock moved against the other, ms, without its sign
 */
export function watchClock(onJump: (ms: number) => void, clocks: Clocks = REAL): { stop(): void } {
  let offset = clocks.wall() - clocks.awake()
  const timer = clocks.setInterval(() => {
    const now = clocks.wall() - clocks.awake()
    const moved = Math.abs(now - offset)
    offset = now
    if (moved >= JUMP_MS) onJump(moved)
  }, EVERY_MS)
  return { stop: () => clocks.clearInterval(timer) }
}
