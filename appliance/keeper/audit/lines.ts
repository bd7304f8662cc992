/** Reading the lines of one segment in large pieces (docs/formats/audit.md, "Segments"). */

import { MAX_LINE_BYTES } from '../../../protocol/audit/entry.ts'
import { type LogFile, readFully } from './files.ts'

const NEWLINE = 0x0a
const CHUNK_BYTES = 262_144

/**
 * Is shown a line as `buffer[start, end)`, without its newline. The byte before `start` is free to be overwritten, so that
 * `0x00 ‖ line` can be hashed where it lies; the buffer holds something else after the call.
 *
 * @returns `false` to stop
 */
export type LineVisitor = (buffer: Buffer, start: number, end: number) => boolean | undefined

/** Reads lines into one buffer that is kept between files. A line that is too long to be one is shown cut off. */
export class LineReader {
  #buffer = Buffer.allocUnsafeSlow(1 + CHUNK_BYTES)

  /**
   * Shows every line that ends with a newline.
   *
   * @param from offset of the first line
   * @param until bytes from there on are not looked at
   * @returns the offset behind the last newline that was seen
   */
  scan(file: LogFile, from: number, until: number, visit: LineVisitor): number {
    let behind = from
    let position = from
    /** Bytes of a line that is not complete yet, which begins at 1. */
    let held = 0
    let tooLong = false
    while (position < until) {
      const room = this.#roomAfter(1 + held)
      const space = this.#buffer.subarray(1 + held, 1 + held + Math.min(room, until - position))
      const taken = readFully(file, space, position)
      if (taken === 0) break
      position += taken
      const filled = 1 + held + taken
      let start = 1
      // What was held has no newline.
      const view = this.#buffer.subarray(0, filled)
      let end = view.indexOf(NEWLINE, 1 + held)
      while (end !== -1) {
        behind = position - (filled - end - 1)
        if (visit(this.#buffer, start, tooLong ? Math.min(end, start + MAX_LINE_BYTES) : end) === false)
          return behind
        tooLong = false
        start = end + 1
        end = view.indexOf(NEWLINE, start)
      }
      held = filled - start
      if (held > MAX_LINE_BYTES) {
        // Its first bytes are enough to see that it is damaged.
        tooLong = true
        held = MAX_LINE_BYTES
      }
      if (start > 1) this.#buffer.copyWithin(1, start, start + held)
    }
    return behind
  }

  #roomAfter(filled: number): number {
    if (this.#buffer.length - filled < CHUNK_BYTES / 2) {
      const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2)
      larger.set(this.#buffer.subarray(0, filled))
      this.#buffer = larger
    }
    return this.#buffer.length - filled
  }
}
