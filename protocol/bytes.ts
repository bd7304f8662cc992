/**
 * Byte strings that browsers can use too: concatenation and canonical base64url (RFC 4648 §5 without padding, §3.5 for
 * the trailing bits).
 *
 * Where node's Buffer is, its native codec does the work: the key process runs without a JIT, where a loop over the bytes
 * of a post-quantum token takes longer than opening it.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const CODE_OF_VALUE = Uint8Array.from(ALPHABET, character => character.charCodeAt(0))

/** 0 to 63 for a character of the alphabet, 255 for every other byte. */
const VALUE_OF_CODE = new Uint8Array(256).fill(255)
for (let value = 0; value < 64; value++) VALUE_OF_CODE[CODE_OF_VALUE[value]!] = value

const decoder = new TextDecoder()

/** One byte string made of all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

const native = globalThis.Buffer as typeof globalThis.Buffer | undefined

/** The unpadded base64url text of `bytes`. */
export function toBase64url(bytes: Uint8Array): string {
  if (!native) return toBase64urlPortably(bytes)
  return native.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

/**
 * The bytes of base64url `text`.
 * @returns `null` unless `text` is exactly what {@link toBase64url} gives for those bytes: no padding, no other
 * alphabet, no white space, trailing bits zero.
 */
export function fromBase64url(text: string): Uint8Array | null {
  if (!native) return fromBase64urlPortably(text)
  // Node's decoder is lenient; only the canonical text survives the way back.
  const bytes = native.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) return null
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** {@link toBase64url} without Buffer. */
export function toBase64urlPortably(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let at = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text[at++] = CODE_OF_VALUE[group >> 18]!
    text[at++] = CODE_OF_VALUE[(group >> 12) & 63]!
    if (at < text.length) text[at++] = CODE_OF_VALUE[(group >> 6) & 63]!
    if (at < text.length) text[at++] = CODE_OF_VALUE[group & 63]!
  }
  return decoder.decode(text)
}

/** {@link fromBase64url} without Buffer. */
export function fromBase64urlPortably(text: string): Uint8Array | null {
  const tail = text.length % 4
  if (tail === 1) return null
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let at = 0
  for (let i = 0; i < text.length; i += 4) {
    const group =
      (sextet(text, i) << 18) | (sextet(text, i + 1) << 12) | (sextet(text, i + 2) << 6) | sextet(text, i + 3)
    if (group < 0) return null
    bytes[at++] = group >> 16
    if (at < bytes.length) bytes[at++] = (group >> 8) & 0xff
    else if ((group & 0xffff) !== 0) return null
    if (at < bytes.length) bytes[at++] = group & 0xff
    else if (tail === 3 && (group & 0xff) !== 0) return null
  }
  return bytes
}

/** The value at `index`; zero past the end; negative (so that the whole group is) for a stranger to the alphabet. */
function sextet(text: string, index: number): number {
  if (index >= text.length) return 0
  const code = text.charCodeAt(index)
  const value = code < 256 ? VALUE_OF_CODE[code]! : 255
  return value === 255 ? -1 : value
}
