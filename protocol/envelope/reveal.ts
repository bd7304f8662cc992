/**
 * What a caller is given of a value: all of it, its end, its shape, or whether it is the one that it holds already
 * (docs/who-may-see-what.md, "Reveal modes"). It works on the bytes, because a string cannot be zeroed.
 */
import { isUtf8 } from 'node:buffer'
import { hash, timingSafeEqual } from 'node:crypto'
import { ClavigerError } from '../api/errors.ts'
import type { Reveal } from '../api/routes.ts'

/** Modes that are answered from the value alone; `forward` needs a recipient ({@link ./jwe.ts}). */
export type LocalReveal = Exclude<Reveal, 'forward'>

export interface RevealOptions {
  /** Characters that a mask leaves: 4 unless told, at most {@link MAX_KEEP}. */
  readonly keep?: number | undefined
  /** What `equals` compares with. */
  readonly candidate?: string | undefined
}

/** Most characters that a mask leaves, and what it leaves unless told. */
export const MAX_KEEP = 6
const LAST = 4

/** U+2022 in UTF-8, for each character that is hidden. */
const BULLET = '•'
const BULLET_LENGTH = 3

/**
 * Reduces a value to what a mode gives. Characters are Unicode code points, and what is left is never more than half of
 * them, so that a short value is not its own last four.
 *
 * @param plaintext the caller's to zero
 * @returns fresh memory, or for `equals` whether the candidate is the value
 * @throws ClavigerError `malformed-request` when `last4` or `mask` is asked of bytes that are not text, or `equals`
 * without a candidate that UTF-8 can carry
 */
export function reveal(
  mode: LocalReveal,
  plaintext: Uint8Array,
  options: RevealOptions = {},
): Uint8Array | boolean {
  switch (mode) {
    case 'full':
      return plaintext.slice()
    case 'equals':
      return equals(plaintext, options.candidate)
    case 'last4':
      return lastCharacters(plaintext, LAST).tail.slice()
    case 'mask':
      return mask(plaintext, options.keep ?? LAST)
  }
}

/** Hashes have one length, so the comparison takes the same time wherever the two differ. */
function equals(plaintext: Uint8Array, candidate: string | undefined): boolean {
  if (!candidate?.isWellFormed())
    throw new ClavigerError('malformed-request', 'equals needs a candidate', {
      hint: 'text that UTF-8 can carry',
    })
  const own = hash('sha256', plaintext, 'buffer')
  const other = hash('sha256', candidate, 'buffer')
  try {
    return timingSafeEqual(own, other)
  } finally {
    // The hash of a card number gives the number away: there are few enough to try them all.
    own.fill(0)
    other.fill(0)
  }
}

function mask(plaintext: Uint8Array, keep: number): Uint8Array {
  if (!Number.isInteger(keep) || keep < 0 || keep > MAX_KEEP)
    throw new ClavigerError('malformed-request', `a mask keeps 0 to ${MAX_KEEP} characters`)
  const { tail, hidden } = lastCharacters(plaintext, keep)
  const masked = new Uint8Array(hidden * BULLET_LENGTH + tail.length)
  Buffer.from(masked.buffer, 0, hidden * BULLET_LENGTH).fill(BULLET)
  masked.set(tail, hidden * BULLET_LENGTH)
  return masked
}

/** The last characters of text, at most `count` and at most half of them, and how many are before. */
function lastCharacters(plaintext: Uint8Array, count: number): { tail: Uint8Array; hidden: number } {
  if (!isUtf8(plaintext))
    throw new ClavigerError('malformed-request', 'the value is not text, so it has no characters', {
      hint: 'ask for full, equals or forward',
    })
  let characters = 0
  for (const byte of plaintext) if (startsCharacter(byte)) characters++
  const kept = Math.min(count, Math.floor(characters / 2))
  let start = plaintext.length
  for (let left = kept; left > 0; ) if (startsCharacter(plaintext[--start]!)) left--
  return { tail: plaintext.subarray(start), hidden: characters - kept }
}

/** False for the bytes of UTF-8 that continue a character. */
function startsCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80
}
