/**
 * One byte stream of a link: a Duplex with credit in both directions. docs/formats/link.md §4.
 *
 * A session never touches the port. It tells its {@link SessionLine} when it has something to send, and the link asks
 * it for one frame at a time.
 */

import { Duplex } from 'node:stream'
import { START_CREDIT } from './credit.ts'
import { KIND, type Kind, OFFSET } from './frame.ts'
import { Incoming, type Verdict } from './incoming.ts'
import { LinkError } from './link-error.ts'
import { type Done, Outgoing } from './outgoing.ts'

/** What a session needs from its link. */
export interface SessionLine {
  /** The session has a frame to send. */
  ready(session: Session): void
  /** The session is over. `reset` asks to tell the peer. */
  over(session: Session, reset: boolean): void
}

/** A byte stream over the link. Made by `Link.open` and by the link's `session` event. */
export class Session extends Duplex {
  readonly id: number
  readonly #line: SessionLine
  readonly #out = new Outgoing()
  readonly #in = new Incoming()
  #openDue: boolean
  /** The reader asked for bytes and got none yet. */
  #wanted = false
  #sentClose = false
  #gotClose = false
  #gone = false

  constructor(id: number, line: SessionLine, opensIt: boolean) {
    // a low mark keeps bytes in #in, where many small frames cost no more than their bytes
    super({ readableHighWaterMark: 1, writableHighWaterMark: START_CREDIT })
    this.id = id
    this.#line = line
    this.#openDue = opensIt
    // a failing cable is no reason to end the process when nobody listens
    this.on('error', () => {})
  }

  /** True once OPEN has been written, so that the peer may know of the session. */
  get announced(): boolean {
    return !this.#openDue
  }

  /** The kind of the next frame to send, or 0 when there is none. */
  next(): Kind | 0 {
    if (this.#gone) return 0
    if (this.#openDue) return KIND.OPEN
    if (!this.#gotClose && this.#in.creditDue) return KIND.CREDIT
    if (this.#out.waiting) return this.#out.sendable ? KIND.DATA : 0
    return this.#out.finishing ? KIND.CLOSE : 0
  }

  /**
   * Writes the payload of the frame that {@link next} announced into `raw` at `HEAD`.
   *
   * @returns the payload's length in bytes
   */
  fill(kind: Kind, raw: Buffer, done: (() => void)[]): number {
    switch (kind) {
      case KIND.OPEN:
        this.#openDue = false
        return 0
      case KIND.CREDIT:
        this.#in.fillCredit(raw)
        return 4
      case KIND.DATA:
        return this.#out.fillData(raw, done)
      default: {
        const finished = this.#out.fillClose(raw)
        this.#sentClose = true
        done.push(() => {
          finished?.()
          this.#maybeOver()
        })
        return 4
      }
    }
  }

  /** Takes a DATA payload of the peer. */
  takeData(payload: Buffer): Verdict {
    if (this.#gotClose) return 'gap'
    const bytes = payload.subarray(OFFSET)
    const verdict = this.#in.receive(payload.readUInt32BE(0), bytes.length)
    if (verdict !== 'ok' || bytes.length === 0) return verdict
    if (this.#wanted && !this.#in.holding) this.#deliver(bytes)
    else this.#in.hold(bytes)
    return 'ok'
  }

  /** Takes a CREDIT of the peer: the total that may be sent, modulo 2^32. */
  takeCredit(maySend: number): Verdict {
    if (!this.#out.allow(maySend)) return 'credit'
    this.#line.ready(this)
    return 'ok'
  }

  /** Takes a CLOSE of the peer: `total` is what it sent, modulo 2^32. */
  takeClose(total: number): Verdict {
    if (this.#gotClose || !this.#in.endsAt(total)) return 'gap'
    this.#gotClose = true
    if (!this.#in.holding) this.push(null)
    this.#maybeOver()
    return 'ok'
  }

  /** Takes a RESET of the peer. */
  takeReset(): void {
    if (!this.#gotClose) {
      this.fail(new LinkError('the other end reset the session'))
      return
    }
    // everything it sent has arrived and stays readable; what is written from now on has no reader
    this.#gone = true
    this.#openDue = false
    this.#sentClose = true
    const { written, finished } = this.#out.drop()
    written?.()
    finished?.()
    this.#line.over(this, false)
  }

  /** Ends the session with an error, without telling the peer. */
  fail(error: LinkError): void {
    if (this.#gone) return
    this.#gone = true
    this.#line.over(this, false)
    this.destroy(error)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Done): void {
    this.#send([chunk], callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Done): void {
    this.#send(
      chunks.map(each => each.chunk),
      callback,
    )
  }

  #send(chunks: Buffer[], callback: Done): void {
    const out = chunks.filter(chunk => chunk.length > 0)
    if (this.#gone || out.length === 0) {
      callback()
      return
    }
    this.#out.write(out, callback)
    this.#line.ready(this)
  }

  override _final(callback: Done): void {
    if (this.#gone) {
      callback()
      return
    }
    this.#out.finish(callback)
    this.#line.ready(this)
  }

  override _read(): void {
    this.#wanted = true
    const held = this.#in.release()
    if (held === null) return
    this.#deliver(held)
    if (this.#gotClose) this.push(null)
  }

  override _destroy(error: Error | null, callback: Done): void {
    const { written, finished } = this.#out.drop()
    this.#in.release()
    if (!this.#gone) {
      this.#gone = true
      // before OPEN the peer knows nothing, and after both CLOSE there is nothing to take back
      this.#line.over(this, !this.#openDue && !(this.#sentClose && this.#gotClose))
    }
    callback(error)
    const reason = error ?? new LinkError('the session was destroyed')
    written?.(reason)
    finished?.(reason)
  }

  #deliver(bytes: Buffer): void {
    this.#in.consume(bytes.length)
    this.#wanted = false
    if (this.push(bytes)) this.#wanted = true
    if (this.next() === KIND.CREDIT) this.#line.ready(this)
  }

  #maybeOver(): void {
    if (this.#gone || !this.#sentClose || !this.#gotClose) return
    this.#gone = true
    this.#line.over(this, false)
  }
}
