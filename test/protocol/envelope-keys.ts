/**
 * Keys for the tests of the envelope in both forms: raw for the plain JavaScript HPKE, KeyObjects for the one of node.
 */

import { createPrivateKey } from 'node:crypto'
import { NOBLE_KEMS } from '../../protocol/envelope/kem-noble.ts'
import { type FieldPrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'
import type { AeadName, KemName, SuiteLetter } from '../../protocol/envelope/suites.ts'

export const ALL_KEMS: readonly KemName[] = ['x25519', 'p256', 'xwing']
export const ALL_AEADS: readonly AeadName[] = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305']
export const ALL_LETTERS: readonly SuiteLetter[] = ['x', 'p', 'q']

/**
 * u-coordinates of RFC 7748 that are of low order, little-endian. They follow from the curve: 0, 1, p-1, p, p+1, and the two
 * roots of order eight.
 */
export const LOW_ORDER: readonly string[] = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
]

const LETTERS: Readonly<Record<KemName, SuiteLetter>> = { x25519: 'x', p256: 'p', xwing: 'q' }

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The PKCS#8 of a raw private key of 32 bytes (X-Wing: its seed), put together apart from the code under test. */
export function pkcs8Of(kem: KemName, raw: Uint8Array): Uint8Array {
  if (kem === 'xwing') return fromHex(`3034020100300d060b2b0601040183e62d81c87a0420${toHex(raw)}`)
  if (kem === 'x25519') return fromHex(`302e020100300506032b656e04220420${toHex(raw)}`)
  const point = Buffer.from(NOBLE_KEMS.p256.publicKeyOf(raw))
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: Buffer.from(raw).toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return createPrivateKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'pkcs8' })
}

export function importRaw(kem: KemName, raw: Uint8Array, lanes = 1): FieldPrivateKey {
  return importPrivateKey(LETTERS[kem], pkcs8Of(kem, raw), lanes)
}

/** One key pair in all its forms. */
export function keyPair(kem: KemName) {
  const raw = NOBLE_KEMS[kem].generatePrivateKey()
  const privateKey = importRaw(kem, raw)
  return { raw, privateKey, publicKey: privateKey.publicKey }
}
