/** Messages on a socket: the greeting, then each after its number and two lengths; docs/formats/pkcs11.md, "Frames". */
import { Malformed } from './reader.ts'

/** A message, and the number that its answer carries too. */
export interface Frame {
  readonly code: number
  readonly body: Uint8Array
}

/** Versions of the protocol that are spoken: 0 and 1. */
const NEWEST = 1
/** Longest message, bytes: a key's block and label, or a template of a few attributes, are a few hundred. */
const LONGEST = 65_536
const LONGEST_OPTIONS = 4096
const HEADER = 12

/** What is answered to an offered version. */
export function agreedVersion(offered: number): number {
  return Math.min(offered, NEWEST)
}

/** Takes bytes as they come, and gives whole messages. */
export class Frames {
  #waiting: Buffer = Buffer.alloc(0)
  #offered: number | null = null

  /** What the client offered; `null` before it did. */
  get offered(): number | null {
    return this.#offered
  }

  /** @returns the messages that are whole now. @throws Malformed for what cannot become one */
  push(chunk: Uint8Array): Frame[] {
    this.#waiting = Buffer.concat([this.#waiting, chunk])
    const frames: Frame[] = []
    if (this.#offered === null && this.#waiting.length > 0) {
      this.#offered = this.#waiting[0]!
      this.#waiting = this.#waiting.subarray(1)
    }
    while (this.#waiting.length >= HEADER) {
      const code = this.#waiting.readUInt32BE(0)
      const options = this.#waiting.readUInt32BE(4)
      const length = this.#waiting.readUInt32BE(8)
      if (code === 0 || options > LONGEST_OPTIONS || length > LONGEST) throw new Malformed('no such frame')
      const end = HEADER + options + length
      if (this.#waiting.length < end) break
      // a copy of its own, so that what is zeroed is not read again
      frames.push({ code, body: Uint8Array.from(this.#waiting.subarray(HEADER + options, end)) })
      this.#waiting.fill(0, 0, end)
      this.#waiting = this.#waiting.subarray(end)
    }
    return frames
  }
}

/** A message as it goes over the socket. */
export function frame(code: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADER + body.length)
  bytes.writeUInt32BE(code, 0)
  bytes.writeUInt32BE(body.length, 8)
  bytes.set(body, HEADER)
  return bytes
}
