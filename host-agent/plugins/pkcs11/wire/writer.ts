/** Writes numbers and byte strings of a message, big-endian. */
import { ABSENT } from './reader.ts'

/** A message that grows. Its buffers are its own: {@link Writer.finish} may be zeroed. */
export class Writer {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  byte(value: number): this {
    const start = this.#room(1)
    this.#view.setUint8(start, value)
    return this
  }

  uint32(value: number): this {
    const start = this.#room(4)
    this.#view.setUint32(start, value)
    return this
  }

  /** A CK_ULONG. @param value - -1 for CK_UNAVAILABLE_INFORMATION */
  ulong(value: number): this {
    const start = this.#room(8)
    this.#view.setBigUint64(start, BigInt.asUintN(64, BigInt(value)))
    return this
  }

  /** Bytes after their length. */
  bytes(value: Uint8Array | null): this {
    this.uint32(value === null ? ABSENT : value.length)
    if (value === null) return this
    const start = this.#room(value.length)
    this.#bytes.set(value, start)
    return this
  }

  /** Text of a fixed length, filled up with spaces. */
  padded(text: string, length: number): this {
    const bytes = new Uint8Array(length).fill(0x20)
    new TextEncoder().encodeInto(text, bytes)
    return this.bytes(bytes)
  }

  version(major: number, minor: number): this {
    return this.byte(major).byte(minor)
  }

  /** Numbers, or only how many there are where the other end has no room for them. */
  ulongs(values: readonly number[], room: number): this {
    const fits = values.length <= room
    this.byte(fits ? 1 : 0).uint32(values.length)
    if (fits) for (const value of values) this.ulong(value)
    return this
  }

  /** What was written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Where so many bytes go. It may move the buffer, so it is asked before the buffer is touched. */
  #room(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, start))
      this.#bytes.fill(0)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return start
  }
}
