/**
 * AES-256-GCM-SIV (RFC 8452): a nonce that repeats tells no more than that two messages are equal.
 *
 * Node's OpenSSL has the blocks and noble has POLYVAL; this file is what stands between them (§4 and §5). With noble's own
 * AES, the key process would hold 4 MiB of tables, and read them at places that depend on the key.
 */
import { createCipheriv, timingSafeEqual } from 'node:crypto'
import { polyval } from '@noble/ciphers/_polyval.js'

const BLOCK = 16
export const TAG_BYTES = 16

interface Keys {
  authentication: Uint8Array
  encryption: Uint8Array
}

/**
 * @param key - 32 bytes
 * @param nonce - 12 bytes
 * @returns ciphertext ‖ tag
 */
export function seal(
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const keys = deriveKeys(key, nonce)
  try {
    const tag = tagOf(keys, nonce, additional, plaintext)
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
    sealed.set(plaintext)
    sealed.set(tag, plaintext.length)
    crypt(keys.encryption, tag, sealed.subarray(0, plaintext.length))
    return sealed
  } finally {
    forget(keys)
  }
}

/**
 * The reverse of {@link seal}.
 *
 * @returns the plaintext, the caller's to zero; `null` unless all of key, nonce, additional data and ciphertext fit
 */
export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | null {
  if (sealed.length < TAG_BYTES) return null
  const tag = sealed.subarray(sealed.length - TAG_BYTES)
  // A copy also where `sealed` is a Buffer, whose slice would be a view.
  const plaintext = Uint8Array.from(sealed.subarray(0, sealed.length - TAG_BYTES))
  const keys = deriveKeys(key, nonce)
  try {
    crypt(keys.encryption, tag, plaintext)
    if (timingSafeEqual(tagOf(keys, nonce, additional, plaintext), tag)) return plaintext
    plaintext.fill(0)
    return null
  } finally {
    forget(keys)
  }
}

/** Encrypts whole blocks, each for itself. */
function blocks(key: Uint8Array, input: Uint8Array): Buffer {
  return createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(input)
}

/** RFC 8452 §4: the first halves of six blocks of counter and nonce. */
function deriveKeys(key: Uint8Array, nonce: Uint8Array): Keys {
  const input = new Uint8Array(6 * BLOCK)
  for (let i = 0; i < 6; i++) {
    input[i * BLOCK] = i
    input.set(nonce, i * BLOCK + 4)
  }
  const output = blocks(key, input)
  const derived = new Uint8Array(48)
  for (let i = 0; i < 6; i++) derived.set(output.subarray(i * BLOCK, i * BLOCK + 8), i * 8)
  output.fill(0)
  return { authentication: derived.subarray(0, 16), encryption: derived.subarray(16) }
}

function forget({ authentication, encryption }: Keys): void {
  authentication.fill(0)
  encryption.fill(0)
}

/** POLYVAL over additional data and plaintext, each padded, and their lengths in bits; then one block. */
function tagOf(keys: Keys, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const plaintextAt = padded(additional.length)
  const lengthsAt = plaintextAt + padded(plaintext.length)
  const message = new Uint8Array(lengthsAt + BLOCK)
  message.set(additional)
  message.set(plaintext, plaintextAt)
  const lengths = new DataView(message.buffer, lengthsAt)
  lengths.setBigUint64(0, BigInt(additional.length) * 8n, true)
  lengths.setBigUint64(8, BigInt(plaintext.length) * 8n, true)
  const sum = polyval(message, Uint8Array.from(keys.authentication))
  message.fill(0)
  for (const [i, byte] of nonce.entries()) sum[i]! ^= byte
  sum[15]! &= 0x7f
  return blocks(keys.encryption, sum)
}

/** Counter mode from the tag on, in place: the counter is the first 32 bits, little-endian, and wraps. */
function crypt(key: Uint8Array, tag: Uint8Array, text: Uint8Array): void {
  const counters = new Uint8Array(padded(text.length))
  const view = new DataView(counters.buffer)
  const first = new DataView(tag.buffer, tag.byteOffset).getUint32(0, true)
  for (let at = 0; at < counters.length; at += BLOCK) {
    counters.set(tag, at)
    counters[at + 15]! |= 0x80
    view.setUint32(at, (first + at / BLOCK) >>> 0, true)
  }
  const stream = blocks(key, counters)
  for (let i = 0; i < text.length; i++) text[i]! ^= stream[i]!
  stream.fill(0)
}

const padded = (length: number): number => Math.ceil(length / BLOCK) * BLOCK
