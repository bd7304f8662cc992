/**
 * Character sets of legacy payloads. PHP encrypted the bytes that its page had, and pages of 2005 were in ISO-8859-1 or what browsers took
 * it for, windows-1252 (WHATWG Encoding Standard, "Legacy single-byte encodings"). What is kept becomes UTF-8.
 */

import { isUtf8 } from 'node:buffer'

/** The first is what a form without one has. */
export const LEGACY_CHARSETS = ['utf-8', 'iso-8859-1', 'windows-1252'] as const
export type LegacyCharset = (typeof LEGACY_CHARSETS)[number]

/** Code points of the bytes 0x80 to 0x9f in windows-1252; 0 for the five that stand for nothing. */
// biome-ignore format: sixteen a line
const WINDOWS_1252 = [
  0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
  0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
]
/** Most bytes of UTF-8 that one byte of these sets becomes. */
const MOST_PER_BYTE = 3

/**
 * Reads text: no control characters but line breaks.
 * @returns UTF-8 in bytes of its own, which the caller zeroes; `null` for what is no text of that set
 */
export function textToUtf8(bytes: Uint8Array, charset: LegacyCharset): Uint8Array | null {
  if (!bytes.every(byte => (byte >= 0x20 && byte !== 0x7f) || byte === 0x0a || byte === 0x0d)) return null
  if (charset === 'utf-8') return isUtf8(bytes) ? Uint8Array.from(bytes) : null
  const room = new Uint8Array(bytes.length * MOST_PER_BYTE)
  let length = 0
  try {
    for (const byte of bytes) {
      const point = codePoint(byte, charset)
      if (point === 0) return null
      if (point < 0x80) room[length++] = point
      else if (point < 0x800) {
        room[length++] = 0xc0 | (point >> 6)
        room[length++] = 0x80 | (point & 0x3f)
      } else {
        room[length++] = 0xe0 | (point >> 12)
        room[length++] = 0x80 | ((point >> 6) & 0x3f)
        room[length++] = 0x80 | (point & 0x3f)
      }
    }
    return room.slice(0, length)
  } finally {
    room.fill(0)
  }
}

/** @returns 0 for a byte that is a control character or stands for nothing */
function codePoint(byte: number, charset: LegacyCharset): number {
  if (byte < 0x80 || byte > 0x9f) return byte
  return charset === 'windows-1252' ? WINDOWS_1252[byte - 0x80]! : 0
}
