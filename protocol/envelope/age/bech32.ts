/** Bech32 (BIP 173) without its limit on length, as age writes recipients. */

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECKSUM_LENGTH = 6

/** @param prefix - human-readable part, lower case */
export function bech32Encode(prefix: string, bytes: Uint8Array): string {
  const words = toWords(bytes)
  const sum = polymod([...spread(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1
  for (let i = 0; i < CHECKSUM_LENGTH; i++) words.push((sum >>> (5 * (5 - i))) & 31)
  return `${prefix}1${words.map(word => ALPHABET[word]).join('')}`
}

/** @returns `null` for text that {@link bech32Encode} does not give, in lower case */
export function bech32Decode(text: string): { prefix: string; bytes: Uint8Array } | null {
  const at = text.lastIndexOf('1')
  if (at < 1 || text.length - at - 1 < CHECKSUM_LENGTH) return null
  const prefix = text.slice(0, at)
  if (!/^[\x21-\x40\x5b-\x7e]+$/.test(prefix)) return null
  const words = Array.from(text.slice(at + 1), character => ALPHABET.indexOf(character))
  if (words.includes(-1) || polymod([...spread(prefix), ...words]) !== 1) return null
  const bytes = fromWords(words.slice(0, -CHECKSUM_LENGTH))
  return bytes && { prefix, bytes }
}

function spread(prefix: string): number[] {
  const codes = Array.from(prefix, character => character.charCodeAt(0))
  return [...codes.map(code => code >> 5), 0, ...codes.map(code => code & 31)]
}

function polymod(values: readonly number[]): number {
  let sum = 1
  for (const value of values) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    for (const [bit, generator] of GENERATOR.entries()) if ((top >>> bit) & 1) sum ^= generator
  }
  return sum >>> 0
}

function toWords(bytes: Uint8Array): number[] {
  const words: number[] = []
  let [bits, held] = [0, 0]
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) words.push((held >>> (bits - 5)) & 31)
  }
  if (bits > 0) words.push((held << (5 - bits)) & 31)
  return words
}

/** @returns `null` where bits are left that are not zero, or a whole word of them */
function fromWords(words: readonly number[]): Uint8Array | null {
  const bytes: number[] = []
  let [bits, held] = [0, 0]
  for (const word of words) {
    held = ((held << 5) | word) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >>> bits) & 0xff)
  }
  return bits >= 5 || (held & ((1 << bits) - 1)) !== 0 ? null : Uint8Array.from(bytes)
}
