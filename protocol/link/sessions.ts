/**
 * The sessions that live on one link: which frame belongs to which, and whose turn it is to send.
 * docs/formats/link.md §4 and §5.
 */

import type { Duplex } from 'node:stream'
import type { LinkCounters } from './counters.ts'
import { type Frame, KIND } from './frame.ts'
import type { Side } from './hello.ts'
import type { Verdict } from './incoming.ts'
import { LinkError } from './link-error.ts'
import { Session, type SessionLine } from './session.ts'
import type { FrameToWrite } from './writer.ts'

/** RESETs that wait for the port; a peer that provokes more gets no answer. */
const MAX_RESETS = 256

/** What the sessions need from their link. */
export interface SessionsOptions {
  readonly side: Side
  /** Sessions that may live at once. */
  readonly limit: number
  readonly counters: LinkCounters
  /** Whether there is a port. */
  attached(): boolean
  /** Whether both ends have greeted. */
  greeted(): boolean
  /** There is a frame to write. */
  wake(): void
  /** Whether somebody takes sessions. */
  accepts(): boolean
  /** Hands over a session that the peer opened. */
  accept(session: Duplex): void
}

/** All sessions of one link. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #living = new Map<number, Session>()
  /** Sessions with something to send, in the order of their turns. */
  readonly #ready = new Set<Session>()
  readonly #resets = new Set<number>()
  readonly #line: SessionLine
  #lastId = 0

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#line = {
      ready: session => this.#wake(session),
      over: (session, reset) => {
        if (this.#living.get(session.id) === session) this.#living.delete(session.id)
        this.#ready.delete(session)
        if (reset) this.#reset(session.id)
      },
    }
  }

  /** How many live now. */
  get size(): number {
    return this.#living.size
  }

  /** Opens a session (host), or returns one that failed. */
  open(): Session {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0
    } while (this.#lastId === 0 || this.#living.has(this.#lastId))
    const session = new Session(this.#lastId, this.#line, true)
    const refusal = this.#refusal()
    if (refusal !== null) {
      session.fail(new LinkError(refusal))
      return session
    }
    this.#options.counters.opened++
    this.#living.set(session.id, session)
    this.#wake(session)
    return session
  }

  #refusal(): string | null {
    if (this.#options.side !== 'host') return 'only the host opens sessions'
    if (!this.#options.attached()) return 'no port is attached'
    return this.#living.size >= this.#options.limit ? 'too many sessions' : null
  }

  /** Fails all sessions. */
  fail(reason: LinkError): void {
    for (const session of [...this.#living.values()]) session.fail(reason)
  }

  /** Fails the sessions that the other end may know of. */
  failAnnounced(reason: LinkError): void {
    for (const session of [...this.#living.values()]) if (session.announced) session.fail(reason)
  }

  /** Forgets the RESETs that no port took. */
  dropResets(): void {
    this.#resets.clear()
  }

  /** The next RESET to write, or null. */
  nextReset(): FrameToWrite | null {
    for (const id of this.#resets) {
      this.#resets.delete(id)
      this.#options.counters.resetsOut++
      return { kind: KIND.RESET, session: id, length: 0 }
    }
    return null
  }

  /** The next frame of the session whose turn it is, or null; see `FrameSource.nextFrame`. */
  nextFrame(raw: Buffer, done: (() => void)[]): FrameToWrite | null {
    for (const session of this.#ready) {
      // to the end of the queue: one frame each, in turn
      this.#ready.delete(session)
      const kind = session.next()
      if (kind === 0) continue
      const length = session.fill(kind, raw, done)
      if (session.next() !== 0) this.#ready.add(session)
      return { kind, session: session.id, length }
    }
    return null
  }

  /** Takes a frame of one session: any kind but HELLO, PING and PONG. */
  take({ kind, session: id, payload }: Frame): void {
    if (kind === KIND.OPEN) {
      this.#takeOpen(id)
      return
    }
    if (kind === KIND.RESET) this.#options.counters.resetsIn++
    const session = this.#living.get(id)
    if (session === undefined) {
      this.#options.counters.unknownSession++
      // only DATA is answered: the sender of anything else has nothing to lose, and RESET must not breed RESET
      if (kind === KIND.DATA && this.#options.greeted()) this.#reset(id)
      return
    }
    if (kind === KIND.DATA) this.#judge(session, session.takeData(payload))
    else if (kind === KIND.CREDIT) this.#judge(session, session.takeCredit(payload.readUInt32BE(0)))
    else if (kind === KIND.CLOSE) this.#judge(session, session.takeClose(payload.readUInt32BE(0)))
    else session.takeReset()
  }

  #judge(session: Session, verdict: Verdict): void {
    if (verdict === 'ok') return
    if (verdict === 'gap') this.#options.counters.gaps++
    else this.#options.counters.creditViolations++
    session.fail(new LinkError(verdict === 'gap' ? 'the line lost bytes' : 'the other end broke the credit'))
    this.#reset(session.id)
  }

  #takeOpen(id: number): void {
    const { side, counters, limit } = this.#options
    const living = this.#living.get(id)
    if (side === 'host') {
      counters.echoed++
    } else if (!this.#options.greeted()) {
      counters.unknownSession++
    } else if (living !== undefined) {
      counters.duplicateOpens++
      living.fail(new LinkError('the other end opened the session twice'))
      this.#reset(id)
    } else if (this.#living.size >= limit || !this.#options.accepts()) {
      counters.refusedOpens++
      this.#reset(id)
    } else {
      counters.opened++
      const session = new Session(id, this.#line, false)
      this.#living.set(id, session)
      this.#options.accept(session)
    }
  }

  #wake(session: Session): void {
    if (this.#living.get(session.id) !== session || session.next() === 0) return
    this.#ready.add(session)
    this.#options.wake()
  }

  #reset(id: number): void {
    if (!this.#options.attached()) return
    if (this.#resets.size >= MAX_RESETS) this.#options.counters.droppedAnswers++
    else this.#resets.add(id)
    this.#options.wake()
  }
}
