/** Reads numbers and byte strings of a message; every length is held against what is there before anything is made of it. */

/** What came is not what the protocol allows there. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** Stands for no bytes at all where a length would be. */
export const ABSENT = 0xffff_ffff

/** A place in a message. Everything is big-endian. */
export class Reader {
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#view.byteLength - this.#at
  }

  byte(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  /** A CK_ULONG. What no number can hold exactly names nothing that there is, and is rounded. */
  ulong(): number {
    return Number(this.#view.getBigUint64(this.#advance(8)))
  }

  /** Bytes after their length, as a view of the message; `null` for none at all. */
  bytes(): Uint8Array | null {
    const length = this.uint32()
    if (length === ABSENT) return null
    const start = this.#advance(length)
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + start, length)
  }

  /**
   * The number of items that follow.
   * @param most - how many are allowed
   * @param atLeast - bytes that each of them takes
   */
  count(most: number, atLeast: number): number {
    const count = this.uint32()
    if (count > most || count * atLeast > this.left) throw new Malformed('too many items')
    return count
  }

  /** @throws Malformed where anything is left */
  end(): void {
    if (this.left !== 0) throw new Malformed('something is left over')
  }

  #advance(length: number): number {
    if (length > this.left) throw new Malformed('the message ends too early')
    const start = this.#at
    this.#at += length
    return start
  }
}
