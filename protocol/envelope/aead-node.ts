/**
 * The three AEADs of HPKE on node:crypto (RFC 5116, RFC 8439), one message per key.
 *
 * Keys enter as KeyObjects: for a bare Uint8Array node 24 first throws and catches an exception to learn that it is no
 * KeyObject, which costs more than the encryption.
 */

import {
  type CipherChaCha20Poly1305Types,
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
} from 'node:crypto'
import { concat } from '../bytes.ts'
import { type AeadName, TAG_LENGTH } from './suites.ts'

const OPTIONS = { authTagLength: TAG_LENGTH }

/** Ciphertext and tag. */
export function aeadSeal(
  aead: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(
    aead as CipherChaCha20Poly1305Types,
    createSecretKey(key),
    nonce,
    OPTIONS,
  ) as unknown as CipherGCM
  if (aad.length > 0) cipher.setAAD(aad)
  const body = cipher.update(plaintext)
  cipher.final()
  return concat(body, cipher.getAuthTag())
}

/**
 * The plaintext.
 * @throws an error of OpenSSL when the tag does not fit; the plaintext it had made is zeroed.
 */
export function aeadOpen(
  aead: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const tagAt = ciphertext.length - TAG_LENGTH
  if (tagAt < 0) throw new RangeError('the ciphertext is shorter than its tag')
  const decipher = createDecipheriv(
    aead as CipherChaCha20Poly1305Types,
    createSecretKey(key),
    nonce,
    OPTIONS,
  ) as unknown as DecipherGCM
  decipher.setAuthTag(ciphertext.subarray(tagAt))
  if (aad.length > 0) decipher.setAAD(aad)
  const plaintext = decipher.update(ciphertext.subarray(0, tagAt))
  try {
    decipher.final()
  } catch (error) {
    plaintext.fill(0)
    throw error
  }
  // Not a Buffer: a Buffer has a toJSON that would print the plaintext.
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
}
