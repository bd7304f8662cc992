/**
 * What age and its plugins say to each other (c2sp.org/age-plugin, "IPC protocol"): stanzas, one after the other, as in an age header.
 * They come in pieces of any size. Nothing grows with what is sent: a stanza that is too long ends the conversation.
 */
import { decodeBase64, type Stanza } from '../../../protocol/envelope/age/stanza.ts'

/** The other end does not speak the protocol; there is nobody to tell but the person at the terminal. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}

const COLUMNS = 64
const LINE_FEED = 0x0a
/** Longest first line and longest body, characters. Headers of age are far shorter; ours is for stanzas of other plugins, too. */
const MAX_LINE = 65_536
const MAX_BODY = 262_144
const ARGUMENTS = /^-> [!-~]+(?: [!-~]+)*$/

/** Takes bytes, gives stanzas. */
export class StanzaReader {
  /** Pieces of a line that has no end yet. */
  #pieces: Uint8Array[] = []
  #length = 0
  #args: string[] | null = null
  #lines: string[] = []
  #body = 0

  /** Whether a stanza has begun and not ended. */
  get isWithin(): boolean {
    return this.#length > 0 || this.#args !== null
  }

  /**
   * @returns the stanzas that end in these bytes
   * @throws FramingError; nothing may be pushed after that
   */
  push(bytes: Uint8Array): Stanza[] {
    const found: Stanza[] = []
    let at = 0
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, at)) {
      this.#keep(bytes.subarray(at, end))
      const stanza = this.#line(this.#take())
      if (stanza) found.push(stanza)
      at = end + 1
    }
    this.#keep(bytes.subarray(at))
    return found
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#length += piece.length
    if (this.#length > (this.#args === null ? MAX_LINE : COLUMNS))
      throw new FramingError('a line is too long')
    this.#pieces.push(piece.slice())
  }

  #take(): string {
    const line = Buffer.concat(this.#pieces)
    for (const piece of this.#pieces) piece.fill(0)
    this.#pieces = []
    this.#length = 0
    const text = line.toString('latin1')
    line.fill(0)
    return text
  }

  #line(text: string): Stanza | null {
    if (this.#args === null) {
      if (!ARGUMENTS.test(text)) throw new FramingError('this is not the first line of a stanza')
      this.#args = text.slice(3).split(' ')
      return null
    }
    this.#body += text.length
    if (this.#body > MAX_BODY) throw new FramingError('a stanza is too long')
    this.#lines.push(text)
    if (text.length === COLUMNS) return null
    const body = decodeBase64(this.#lines.join(''))
    if (!body) throw new FramingError('the body of a stanza is not base64')
    const args = this.#args as [string, ...string[]]
    this.#args = null
    this.#lines = []
    this.#body = 0
    return { args, body }
  }
}
