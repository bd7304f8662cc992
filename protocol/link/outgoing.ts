/**
 * The sending half of a session: what waits, who waits for it, and how much of it the peer lets through.
 * docs/formats/link.md §4.
 */

import { modulo, START_CREDIT, WINDOW } from './credit.ts'
import { HEAD, MAX_PAYLOAD, OFFSET } from './frame.ts'

/** Tells a writer what became of its bytes. */
export type Done = (error?: Error | null) => void

/** One direction of one session, outwards. */
export class Outgoing {
  #chunks: Buffer[] = []
  /** Bytes of the first chunk that are sent. */
  #at = 0
  #written: Done | null = null
  #finished: Done | null = null
  /** Totals since OPEN, modulo 2^32: sent, and allowed to be sent. */
  #sent = 0
  #maySend = START_CREDIT

  /** True while bytes wait, whether or not there is credit for them. */
  get waiting(): boolean {
    return this.#chunks.length > 0
  }

  /** True while bytes wait that may be sent. */
  get sendable(): boolean {
    return this.waiting && this.#maySend !== this.#sent
  }

  /** True from {@link finish} until CLOSE was filled. */
  get finishing(): boolean {
    return this.#finished !== null
  }

  /** Takes bytes to send, one call at a time, as `Writable` does; `written` is called when the last is handed over. */
  write(chunks: Buffer[], written: Done): void {
    this.#chunks = chunks
    this.#written = written
  }

  /** Asks for CLOSE once all bytes are sent. */
  finish(finished: Done): void {
    this.#finished = finished
  }

  /** Takes a CREDIT total; false when it is a lie. */
  allow(maySend: number): boolean {
    // what is beyond the largest window is a lie; what is behind the last value cannot come from an ordered line
    if (modulo(maySend - this.#maySend) > WINDOW || modulo(maySend - this.#sent) > WINDOW) return false
    this.#maySend = maySend
    return true
  }

  /** Writes the payload of a DATA frame into `raw` and returns its length, bytes. */
  fillData(raw: Buffer, done: (() => void)[]): number {
    const start = HEAD + OFFSET
    let room = Math.min(MAX_PAYLOAD - OFFSET, modulo(this.#maySend - this.#sent))
    let at = start
    raw.writeUInt32BE(this.#sent, HEAD)
    let used = 0
    while (room > 0 && used < this.#chunks.length) {
      const chunk = this.#chunks[used]!
      const taken = chunk.copy(raw, at, this.#at, this.#at + room)
      at += taken
      room -= taken
      this.#at += taken
      if (this.#at === chunk.length) {
        this.#at = 0
        used++
      }
    }
    if (used === this.#chunks.length) {
      this.#chunks = []
      const written = this.#written
      this.#written = null
      if (written) done.push(written)
    } else if (used > 0) {
      this.#chunks.splice(0, used)
    }
    this.#sent = modulo(this.#sent + at - start)
    return at - HEAD
  }

  /**
   * Writes the payload of a CLOSE frame into `raw`, 4 bytes.
   *
   * @returns who waits for it
   */
  fillClose(raw: Buffer): Done | null {
    const finished = this.#finished
    this.#finished = null
    raw.writeUInt32BE(this.#sent, HEAD)
    return finished
  }

  /** Forgets what was to be sent and returns who waited for it. */
  drop(): { written: Done | null; finished: Done | null } {
    const dropped = { written: this.#written, finished: this.#finished }
    this.#chunks = []
    this.#at = 0
    this.#written = null
    this.#finished = null
    return dropped
  }
}
