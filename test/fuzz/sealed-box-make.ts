/** Makes sealed boxes, also of secrets that are none. */
import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { VALUE } from './keeper.ts'

/** As `crypto_box_seal` does, for a secret that need not be that of the two keys. */
export function sealWith(
  secret: Uint8Array,
  ephemeral: Uint8Array,
  publicKey: Uint8Array,
  value = VALUE,
): Buffer {
  const words = new Uint32Array(8)
  const sigma = new Uint32Array(new TextEncoder().encode('expand 32-byte k').buffer)
  hsalsa(sigma, new Uint32Array(Uint8Array.from(secret).buffer), new Uint32Array(4), words)
  const nonce = blake2b(Buffer.concat([ephemeral, publicKey]), { dkLen: 24 })
  const box = xsalsa20poly1305(new Uint8Array(words.buffer), nonce).encrypt(Buffer.from(value))
  return Buffer.concat([ephemeral, box])
}
