/**
 * The receiving half of a session: the order of what arrives, the credit it may use, and what a reader that pauses has
 * not taken yet. docs/formats/link.md §4.
 */

import { CREDIT_STEP, modulo, START_CREDIT, WINDOW } from './credit.ts'
import { HEAD } from './frame.ts'

/** What became of a frame that the peer sent to a session. */
export type Verdict = 'ok' | 'gap' | 'credit'

/** One direction of one session, inwards. */
export class Incoming {
  /** Totals since OPEN, modulo 2^32: received, allowed to be received, read here. */
  #received = 0
  #mayReceive = START_CREDIT
  #consumed = 0
  /** What #consumed was when credit was given last. */
  #credited = 0
  /** Received while the reader was not reading, at most {@link WINDOW} bytes. Null unless needed. */
  #held: Buffer | null = null
  #heldBytes = 0

  /** True while bytes wait for the reader. */
  get holding(): boolean {
    return this.#heldBytes > 0
  }

  /** True when enough was read since the last CREDIT. */
  get creditDue(): boolean {
    return modulo(this.#consumed - this.#credited) >= CREDIT_STEP
  }

  /** Judges `length` bytes that the peer says stand at `offset`, and counts them as received. */
  receive(offset: number, length: number): Verdict {
    if (offset !== this.#received) return 'gap'
    if (length > modulo(this.#mayReceive - this.#received)) return 'credit'
    this.#received = modulo(this.#received + length)
    return 'ok'
  }

  /** True when the peer's count of all bytes is ours. */
  endsAt(total: number): boolean {
    return total === this.#received
  }

  /** Counts bytes as read. */
  consume(length: number): void {
    this.#consumed = modulo(this.#consumed + length)
  }

  /** Writes the payload of a CREDIT frame into `raw`, 4 bytes. */
  fillCredit(raw: Buffer): void {
    this.#credited = this.#consumed
    this.#mayReceive = modulo(this.#consumed + WINDOW)
    raw.writeUInt32BE(this.#mayReceive, HEAD)
  }

  /** Keeps a copy of received bytes for a reader that does not read now. */
  hold(bytes: Buffer): void {
    const need = this.#heldBytes + bytes.length
    if (this.#held === null || this.#held.length < need) {
      const larger = Buffer.allocUnsafeSlow(Math.min(WINDOW, Math.max(need * 2, 1024)))
      this.#held?.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes)
    this.#heldBytes = need
  }

  /** Hands over what was held, or null. */
  release(): Buffer | null {
    const held = this.#held?.subarray(0, this.#heldBytes) ?? null
    this.#held = null
    this.#heldBytes = 0
    return held
  }
}
