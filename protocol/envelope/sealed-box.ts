/**
 * Sealed boxes of libsodium (`crypto_box_seal`): an ephemeral X25519 key of 32 bytes, then XSalsa20-Poly1305 under
 * HSalsa20 of the shared secret; the nonce is BLAKE2b-192 over both public keys. They are bound to no place.
 *
 * OpenSSL has neither Salsa20 nor a BLAKE2b of 24 bytes, so those two are @noble's; the private key stays in OpenSSL.
 */

import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { concat } from '../bytes.ts'
import { OpenError, TokenError } from './errors.ts'
import { agree } from './kem-node.ts'
import type { FieldPrivateKey } from './keys.ts'
import { MAX_PLAINTEXT_LENGTH } from './token.ts'

const PUBLIC_KEY_LENGTH = 32
const NONCE_LENGTH = 24
const TAG_LENGTH = 16
const OVERHEAD = PUBLIC_KEY_LENGTH + TAG_LENGTH
const MAX_TEXT = Math.ceil((OVERHEAD + MAX_PLAINTEXT_LENGTH) / 3) * 4
/** "expand 32-byte k" as four little-endian words. */
const SIGMA = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

/**
 * The box of a text: base64 or base64url, with its padding or without; nothing else, and trailing bits are zero.
 * @throws TokenError `bad-token`
 */
export function readSealedBox(text: string): Uint8Array {
  if (text.length > MAX_TEXT) throw new TokenError('the text is longer than a sealed box')
  for (const encoding of ['base64', 'base64url'] as const) {
    const bytes = Buffer.from(text, encoding)
    const plain = bytes.toString(encoding).replace(/=+$/, '')
    const padded = plain + '='.repeat((4 - (plain.length % 4)) % 4)
    if (text !== plain && text !== padded) continue
    if (bytes.length < OVERHEAD) throw new TokenError('the text is shorter than a sealed box')
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  throw new TokenError('the text is not base64 of a sealed box')
}

/**
 * Opens a box with a key of suite x. The caller zeroes what it returns.
 * @throws OpenError `open-failed`, with nothing that tells why
 */
export function openSealedBox({ main, publicKey }: FieldPrivateKey, box: Uint8Array): Uint8Array {
  let key: Uint8Array | undefined
  try {
    if (main.kem !== 'x25519' || box.length < OVERHEAD)
      throw new TypeError('a sealed box is for a key of suite x')
    const ephemeral = box.subarray(0, PUBLIC_KEY_LENGTH)
    key = boxKey(agree(main, ephemeral))
    const nonce = blake2b(concat(ephemeral, publicKey), { dkLen: NONCE_LENGTH })
    return xsalsa20poly1305(key, nonce).decrypt(box.subarray(PUBLIC_KEY_LENGTH))
  } catch (cause) {
    throw new OpenError({ cause })
  } finally {
    key?.fill(0)
  }
}

/** `crypto_box_beforenm`: HSalsa20 of the shared secret over sixteen zeros. Zeroes the secret. */
function boxKey(secret: Uint8Array): Uint8Array {
  const words = new Uint32Array(8)
  const input = new Uint32Array(new Uint8Array(secret).buffer)
  try {
    hsalsa(SIGMA, input, new Uint32Array(4), words)
    return new Uint8Array(words.buffer)
  } finally {
    secret.fill(0)
    input.fill(0)
  }
}
