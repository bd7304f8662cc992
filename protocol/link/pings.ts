/**
 * PING and PONG: a sign of life from the other end of the line. docs/formats/link.md §3.
 */

import type { LinkCounters } from './counters.ts'
import { HEAD, KIND, type Kind } from './frame.ts'
import { LinkError } from './link-error.ts'
import type { Timers } from './timers.ts'
import type { FrameToWrite } from './writer.ts'

/** PONGs that wait for the port; a peer that asks faster gets no answer. */
const MAX_PONGS = 16

interface Asked {
  readonly at: number
  readonly timer: unknown
  readonly resolve: (ms: number) => void
  readonly reject: (error: LinkError) => void
}

/** The questions and answers that are under way on one link. */
export class Pings {
  readonly #timers: Timers
  readonly #now: () => number
  readonly #counters: LinkCounters
  readonly #asked = new Map<number, Asked>()
  readonly #pings: number[] = []
  readonly #pongs: number[] = []
  #token = 0

  constructor(timers: Timers, now: () => number, counters: LinkCounters) {
    this.#timers = timers
    this.#now = now
    this.#counters = counters
  }

  /** Queues a PING; see `Link.ping`. */
  ask(timeout: number): Promise<number> {
    this.#token = (this.#token + 1) >>> 0
    const token = this.#token
    return new Promise((resolve, reject) => {
      const timer = this.#timers.setTimeout(() => {
        this.#asked.delete(token)
        reject(new LinkError('the other end does not answer'))
      }, timeout)
      this.#asked.set(token, { at: this.#now(), timer, resolve, reject })
      this.#pings.push(token)
    })
  }

  /** Takes a PING or PONG of the peer. */
  take(kind: Kind, token: number): void {
    if (kind === KIND.PING) {
      if (this.#pongs.length < MAX_PONGS) this.#pongs.push(token)
      else this.#counters.droppedAnswers++
      return
    }
    const asked = this.#asked.get(token)
    if (asked === undefined) return
    this.#asked.delete(token)
    this.#timers.clearTimeout(asked.timer)
    asked.resolve(this.#now() - asked.at)
  }

  /** The next PONG or PING to write, its payload in `raw`; null when there is none. */
  next(raw: Buffer): FrameToWrite | null {
    const kind = this.#pongs.length > 0 ? KIND.PONG : KIND.PING
    const token = this.#pongs.shift() ?? this.#pings.shift()
    if (token === undefined) return null
    raw.writeUInt32BE(token, HEAD)
    return { kind, session: 0, length: 4 }
  }

  /** The port is gone: nobody will answer. */
  fail(reason: LinkError): void {
    this.#pings.length = 0
    this.#pongs.length = 0
    for (const asked of this.#asked.values()) {
      this.#timers.clearTimeout(asked.timer)
      asked.reject(reason)
    }
    this.#asked.clear()
  }
}
