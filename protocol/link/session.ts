/**
 * One byte stream of a link: a Duplex with credit in both directions. docs/formats/link.md §4.
 *
 * A session never touches the port. It tells its {@link SessionLine} when it has something to send, and the link asks
 * it for one frame at a time.
 */

import { Duplex } from 'node:stream'
import { ClavigerError } from '../api/errors.ts'
import { HEAD, KIND, type Kind, MAX_PAYLOAD, OFFSET } from './frame.ts'

/** The credit that a session starts with, bytes. */
export const START_CREDIT = 65_536

/** Bytes a peer may send beyond what was read here, once the reader has shown that it reads. */
export const WINDOW = 262_144

/** Bytes read after which new credit is worth a frame. */
const CREDIT_STEP = 16_384

/** A session, a ping or a link failed: `link-failed`. */
export class LinkError extends ClavigerError {
  constructor(message: string, options?: ErrorOptions) {
    super('link-failed', message, options)
  }
}

/** What a session needs from its link. */
export interface SessionLine {
  /** The session has a frame to send. */
  ready(session: Session): void
  /** The session is over. `reset` asks to tell the peer. */
  over(session: Session, reset: boolean): void
}

/** What became of a frame that the peer sent to a session. */
export type Verdict = 'ok' | 'gap' | 'credit'

type Done = (error?: Error | null) => void

const modulo = (n: number): number => n >>> 0

/** A byte stream over the link. Made by `Link.open` and by the link's `session` event. */
export class Session extends Duplex {
  readonly id: number
  readonly #line: SessionLine

  #openDue: boolean
  #out: Buffer[] = []
  #outAt = 0
  #written: Done | null = null
  #finished: Done | null = null
  /** Totals since OPEN, modulo 2^32: sent, allowed to be sent, received, allowed to be received, read here. */
  #sent = 0
  #maySend = START_CREDIT
  #received = 0
  #mayReceive = START_CREDIT
  #consumed = 0
  /** What #consumed was when credit was given last. */
  #credited = 0

  /** Received while the reader was not reading, at most {@link WINDOW} bytes. Null unless needed. */
  #held: Buffer | null = null
  #heldBytes = 0
  #wanted = false

  #sentClose = false
  #gotClose = false
  #gone = false

  constructor(id: number, line: SessionLine, opensIt: boolean) {
    // a low mark keeps bytes in #held, where many small frames cost no more than their bytes
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
    if (!this.#gotClose && modulo(this.#consumed - this.#credited) >= CREDIT_STEP) return KIND.CREDIT
    if (this.#out.length > 0) return this.#maySend === this.#sent ? 0 : KIND.DATA
    return this.#finished === null ? 0 : KIND.CLOSE
  }

  /**
   * Writes the payload of the frame that {@link next} announced into `raw` at {@link HEAD}.
   *
   * @returns the payload's length in bytes
   */
  fill(kind: Kind, raw: Buffer, done: (() => void)[]): number {
    switch (kind) {
      case KIND.OPEN:
        this.#openDue = false
        return 0
      case KIND.CREDIT:
        this.#credited = this.#consumed
        this.#mayReceive = modulo(this.#consumed + WINDOW)
        raw.writeUInt32BE(this.#mayReceive, HEAD)
        return 4
      case KIND.DATA:
        return this.#fillData(raw, done)
      default: {
        const finished = this.#finished
        this.#finished = null
        this.#sentClose = true
        raw.writeUInt32BE(this.#sent, HEAD)
        done.push(() => {
          finished?.()
          this.#maybeOver()
        })
        return 4
      }
    }
  }

  #fillData(raw: Buffer, done: (() => void)[]): number {
    const start = HEAD + OFFSET
    let room = Math.min(MAX_PAYLOAD - OFFSET, modulo(this.#maySend - this.#sent))
    let at = start
    raw.writeUInt32BE(this.#sent, HEAD)
    let used = 0
    while (room > 0 && used < this.#out.length) {
      const chunk = this.#out[used]!
      const taken = chunk.copy(raw, at, this.#outAt, this.#outAt + room)
      at += taken
      room -= taken
      this.#outAt += taken
      if (this.#outAt === chunk.length) {
        this.#outAt = 0
        used++
      }
    }
    if (used === this.#out.length) {
      this.#out = []
      const written = this.#written
      this.#written = null
      if (written) done.push(written)
    } else if (used > 0) {
      this.#out.splice(0, used)
    }
    this.#sent = modulo(this.#sent + at - start)
    return at - HEAD
  }

  /** Takes a DATA payload of the peer. */
  takeData(payload: Buffer): Verdict {
    const length = payload.length - OFFSET
    if (this.#gotClose || payload.readUInt32BE(0) !== this.#received) return 'gap'
    if (length > modulo(this.#mayReceive - this.#received)) return 'credit'
    this.#received = modulo(this.#received + length)
    if (length === 0) return 'ok'
    if (this.#wanted && this.#heldBytes === 0) this.#deliver(payload.subarray(OFFSET))
    else this.#hold(payload.subarray(OFFSET))
    return 'ok'
  }

  /** Takes a CREDIT of the peer: the total that may be sent, modulo 2^32. */
  takeCredit(maySend: number): Verdict {
    // what is beyond the largest window is a lie; what is behind the last value cannot come from an ordered line
    if (modulo(maySend - this.#maySend) > WINDOW || modulo(maySend - this.#sent) > WINDOW) return 'credit'
    this.#maySend = maySend
    this.#line.ready(this)
    return 'ok'
  }

  /** Takes a CLOSE of the peer: `total` is what it sent, modulo 2^32. */
  takeClose(total: number): Verdict {
    if (this.#gotClose || total !== this.#received) return 'gap'
    this.#gotClose = true
    if (this.#heldBytes === 0) this.push(null)
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
    this.#dropOut()
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
    this.#out = out
    this.#written = callback
    this.#line.ready(this)
  }

  override _final(callback: Done): void {
    if (this.#gone) {
      callback()
      return
    }
    this.#finished = callback
    this.#line.ready(this)
  }

  override _read(): void {
    this.#wanted = true
    if (this.#heldBytes === 0) return
    const held = this.#held!.subarray(0, this.#heldBytes)
    this.#held = null
    this.#heldBytes = 0
    this.#deliver(held)
    if (this.#gotClose) this.push(null)
  }

  override _destroy(error: Error | null, callback: Done): void {
    const { written, finished } = this.#dropOut(false)
    this.#held = null
    this.#heldBytes = 0
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
    this.#consumed = modulo(this.#consumed + bytes.length)
    this.#wanted = false
    if (this.push(bytes)) this.#wanted = true
    if (this.next() === KIND.CREDIT) this.#line.ready(this)
  }

  #hold(bytes: Buffer): void {
    const need = this.#heldBytes + bytes.length
    if (this.#held === null || this.#held.length < need) {
      const larger = Buffer.allocUnsafeSlow(Math.min(WINDOW, Math.max(need * 2, 1024)))
      this.#held?.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes)
    this.#heldBytes = need
  }

  /** Forgets what was to be sent; with `succeed` its writers are told that it went well. */
  #dropOut(succeed = true): { written: Done | null; finished: Done | null } {
    const dropped = { written: this.#written, finished: this.#finished }
    this.#out = []
    this.#outAt = 0
    this.#written = null
    this.#finished = null
    if (succeed) {
      dropped.written?.()
      dropped.finished?.()
    }
    return dropped
  }

  #maybeOver(): void {
    if (this.#gone || !this.#sentClose || !this.#gotClose) return
    this.#gone = true
    this.#line.over(this, false)
  }
}
