/** Cuts bytes into lines of bounded length. */
import { MAX_ROW } from './row.ts'

const LINE_FEED = 10

/** One line with its line end; `bytes` is `null` for one of more than {@link MAX_ROW}. */
export interface TextLine {
  readonly bytes: Buffer | null
  /** Bytes of input up to its end. */
  readonly end: number
}

/** Takes bytes, gives lines. Holds at most one line that is not complete. */
export class LineCutter {
  #parts: Buffer[] = []
  /** Bytes of the line that is not complete, also of those that were dropped. */
  #length = 0
  #offset = 0

  /** The lines that a chunk completes. */
  push(chunk: Uint8Array): TextLine[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    const lines: TextLine[] = []
    let start = 0
    for (let end = 0; ; start = end) {
      end = bytes.indexOf(LINE_FEED, start) + 1
      if (end === 0) break
      this.#add(bytes.subarray(start, end))
      lines.push(this.#cut())
    }
    // A copy: a line that is not complete must not keep the whole chunk.
    this.#add(Buffer.from(bytes.subarray(start)))
    return lines
  }

  /** The line that the end of the input completes. */
  end(): TextLine[] {
    return this.#length > 0 ? [this.#cut()] : []
  }

  #add(part: Buffer): void {
    this.#length += part.length
    if (this.#length > MAX_ROW) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  #cut(): TextLine {
    const parts = this.#parts
    const isTooLong = this.#length > MAX_ROW
    this.#offset += this.#length
    this.#parts = []
    this.#length = 0
    const bytes = isTooLong ? null : parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    return { bytes, end: this.#offset }
  }
}
