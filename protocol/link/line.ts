/**
 * Keeps a port open: opens it, hands it over, and opens it again after it went away. docs/formats/link.md §7.
 */

import type { Duplex } from 'node:stream'
import type { OpenPort } from './serial-port.ts'
import { realTimers, type Timers } from './timers.ts'

/** How a line is kept. */
export interface LineOptions {
  /** Opens the port once; a rejection is a failed try. */
  open(): Promise<OpenPort>
  /** Takes each port that was opened, usually `port => link.attach(port)`. */
  onPort(port: Duplex): void
  /** Hears of every failed try and of every port that went away (`null`: without an error). */
  onFailure?(error: Error | null): void
  /** False: give up at the first failure or when the port goes away. Default true. */
  readonly reopen?: boolean
  /** Pause before the first new try; doubles up to `longest` while tries fail, ms. */
  readonly pause?: number
  readonly longest?: number
  /** For the pauses; by default none of them keeps the process alive. */
  readonly timers?: Timers
}

/** A line that is being kept open. */
export interface SerialLine {
  /** Settles when the line is given up or stopped: with the last failure, or null. Never rejects. */
  readonly closed: Promise<Error | null>
  /** Closes the port and opens no other. Never rejects. */
  stop(): Promise<void>
}

/** Starts to keep a port open. */
export function keepOpen(options: LineOptions): SerialLine {
  const { reopen = true, pause = 100, longest = 5_000, timers = realTimers } = options
  let stopped = false
  /** Ends what is waited for now. */
  let interrupt = () => {}
  const sleep = (ms: number) =>
    new Promise<void>(resolve => {
      const timer = timers.setTimeout(resolve, ms)
      interrupt = () => {
        timers.clearTimeout(timer)
        resolve()
      }
    })

  const run = async (): Promise<Error | null> => {
    let wait = pause
    for (;;) {
      let failure: Error | null = null
      try {
        const opened = await options.open()
        wait = pause
        if (!stopped) {
          const gone = untilGone(opened.stream)
          interrupt = gone.resolve
          options.onPort(opened.stream)
          failure = await gone.promise
        }
        await opened.close()
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error))
      }
      if (stopped) return null
      options.onFailure?.(failure)
      if (!reopen) return failure
      await sleep(wait)
      if (stopped) return null
      wait = Math.min(wait * 2, longest)
    }
  }

  const closed = run()
  return {
    closed,
    async stop() {
      stopped = true
      interrupt()
      await closed
    },
  }
}

function untilGone(stream: Duplex): { promise: Promise<Error | null>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<Error | null>(settle => {
    // the listeners stay: a late error of a port that was given up is nobody's concern
    stream.on('error', settle)
    stream.on('close', (error?: Error | null) => settle(error ?? null))
    stream.on('end', () => settle(null))
    resolve = () => settle(null)
    if (stream.destroyed) settle(null)
  })
  return { promise, resolve }
}
