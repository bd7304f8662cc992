/** The key derivation of `ECDH-ES` in direct key agreement: Concat KDF with SHA-256 (RFC 7518 §4.6.2, NIST SP 800-56A). */
import { hash } from 'node:crypto'
import { concat } from '../bytes.ts'

const encoder = new TextEncoder()

/**
 * Derives a content encryption key.
 * @param secret the shared secret Z
 * @param algorithm the `enc` header, such as `A256GCM`
 * @param length of the key in bytes, at most 32: one round of the hash
 * @param partyU `apu` decoded, empty when the header has none
 * @param partyV `apv` decoded, empty when the header has none
 * @returns the caller's to zero
 */
export function concatKdf(
  secret: Uint8Array,
  algorithm: string,
  length: number,
  partyU: Uint8Array = new Uint8Array(),
  partyV: Uint8Array = new Uint8Array(),
): Uint8Array {
  if (length > 32) throw new RangeError('one round of SHA-256 makes at most 32 bytes')
  const input = concat(
    u32(1),
    secret,
    prefixed(encoder.encode(algorithm)),
    prefixed(partyU),
    prefixed(partyV),
    u32(length * 8),
  )
  try {
    return hash('sha256', input, 'buffer').subarray(0, length)
  } finally {
    input.fill(0)
  }
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return concat(u32(bytes.length), bytes)
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
