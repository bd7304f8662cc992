/**
 * From the bytes of the line to frames: cuts at zero bytes and counts what is not a frame. docs/formats/link.md §1.
 *
 * Memory is bounded by one frame: a run without a zero that is longer than the longest frame is dropped as it arrives.
 */

import { type Discard, type Frame, MAX_ENCODED, parseFrame } from './frame.ts'

/** Turns any chunking of the byte stream into frames and discards. */
export class FrameDecoder {
  /** Start of a frame whose end has not arrived. */
  readonly #carry = Buffer.alloc(MAX_ENCODED)
  #carried = 0
  /** Bytes dropped so far of a run that is too long; 0 when not in one. */
  #dropped = 0

  /**
   * Takes the next bytes of the line.
   *
   * @returns what they completed, in order; at most one entry for every zero byte in `chunk`
   */
  push(chunk: Buffer): (Frame | Discard)[] {
    const found: (Frame | Discard)[] = []
    let from = 0
    for (;;) {
      const zero = chunk.indexOf(0, from)
      if (zero < 0) break
      const piece = chunk.subarray(from, zero)
      from = zero + 1
      if (this.#dropped > 0 || this.#carried + piece.length > MAX_ENCODED) {
        found.push({ discard: 'too-long', bytes: this.#dropped + this.#carried + piece.length })
        this.#dropped = 0
      } else if (this.#carried > 0) {
        piece.copy(this.#carry, this.#carried)
        found.push(parseFrame(this.#carry.subarray(0, this.#carried + piece.length)))
      } else if (piece.length > 0) {
        // an empty piece is a spare delimiter, which every write begins with
        found.push(parseFrame(piece))
      }
      this.#carried = 0
    }
    this.#keep(chunk.subarray(from))
    return found
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return
    if (this.#dropped > 0 || this.#carried + rest.length > MAX_ENCODED) {
      this.#dropped += this.#carried + rest.length
      this.#carried = 0
    } else {
      rest.copy(this.#carry, this.#carried)
      this.#carried += rest.length
    }
  }
}
