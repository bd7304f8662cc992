/**
 * Private keys of the field suites as PKCS#8 (RFC 5958) and as KeyObjects.
 *
 * X25519 as in RFC 8410, P-256 as in RFC 5915, X-Wing with the object identifier 1.3.6.1.4.1.62253.25722 and its 32-byte
 * seed as in draft-connolly-cfrg-xwing-kem. OpenSSL has no X-Wing, so the seed is expanded here into the two keys it has.
 */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomFillSync,
} from 'node:crypto'
import { concat } from '../bytes.ts'
import { KeyError } from './errors.ts'
import type { NodePrivateKey } from './kem-node.ts'
import { FIELD_SUITES, type SuiteLetter } from './suites.ts'

/** A private key ready to open fields. It holds KeyObjects only. */
export interface FieldPrivateKey {
  readonly suite: SuiteLetter
  /** Serialized public key (RFC 9180 §7.1.1). */
  readonly publicKey: Uint8Array
  /** For the main thread. */
  readonly main: NodePrivateKey
  /** The same key once more for each pool thread, because a KeyObject serves one thread at a time. */
  readonly lanes: readonly NodePrivateKey[]
}

/** A new private key; zero `pkcs8` once it is stored. */
export interface GeneratedKey {
  readonly pkcs8: Uint8Array
  readonly publicKey: Uint8Array
}

/** SEQUENCE { INTEGER 0, SEQUENCE { OID }, OCTET STRING } up to the 32 bytes of the seed. */
const XWING_PKCS8_PREFIX = Uint8Array.from([
  0x30, 0x34, 0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xe6, 0x2d, 0x81,
  0xc8, 0x7a, 0x04, 0x20,
])
/** The same for ML-KEM-768 with its `[0]` choice of a 64-byte seed (RFC 9935). */
const MLKEM_PKCS8_PREFIX = Uint8Array.from([
  0x30, 0x54, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, 0x02,
  0x04, 0x42, 0x80, 0x40,
])
/** The same for X25519 (RFC 8410). */
const X25519_PKCS8_PREFIX = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
])

const SEED_LENGTH = 32

/** A fresh private key for `suite`. */
export function generatePrivateKey(suite: SuiteLetter): GeneratedKey {
  const pkcs8 = generatePkcs8(suite)
  return { pkcs8, publicKey: importPrivateKey(suite, pkcs8, 0).publicKey }
}

/**
 * Loads a private key. The caller zeroes `pkcs8`.
 * @param lanes how many threads of the pool may work with it at once: cores minus one; 0 opens batches on this thread.
 * @throws KeyError `bad-key` when it is not a key of this suite.
 */
export function importPrivateKey(suite: SuiteLetter, pkcs8: Uint8Array, lanes = 1): FieldPrivateKey {
  try {
    const main = importOnce(suite, pkcs8)
    return {
      suite,
      publicKey: publicKeyBytes(main),
      main,
      lanes: Array.from({ length: lanes }, () => importOnce(suite, pkcs8)),
    }
  } catch (cause) {
    throw new KeyError('the private key is not one of this suite', { cause })
  }
}

/**
 * A private key of suite `x` as PKCS#8, for a scalar that was derived elsewhere; X25519 clamps it (RFC 7748 §5).
 * @param scalar 32 bytes
 * @returns a copy, to be zeroed by the caller
 */
export function x25519Pkcs8(scalar: Uint8Array): Uint8Array {
  if (scalar.length !== SEED_LENGTH) throw new RangeError('an X25519 scalar has 32 bytes')
  return concat(X25519_PKCS8_PREFIX, scalar)
}

/** The serialized public key. */
export function publicKeyOf(privateKey: FieldPrivateKey): Uint8Array {
  return privateKey.publicKey
}

function generatePkcs8(suite: SuiteLetter): Uint8Array {
  if (suite === 'q') {
    const pkcs8 = new Uint8Array(XWING_PKCS8_PREFIX.length + SEED_LENGTH)
    pkcs8.set(XWING_PKCS8_PREFIX)
    return randomFillSync(pkcs8, XWING_PKCS8_PREFIX.length)
  }
  const { privateKey } =
    suite === 'p' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  return privateKey.export({ format: 'der', type: 'pkcs8' })
}

function importOnce(suite: SuiteLetter, pkcs8: Uint8Array): NodePrivateKey {
  const { kem } = FIELD_SUITES[suite]
  if (kem === 'xwing') return expandXwing(xwingSeed(pkcs8))
  const key = importDer(pkcs8)
  const fits =
    kem === 'p256'
      ? key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
      : key.asymmetricKeyType === 'x25519'
  if (!fits) throw new TypeError('the private key is of another type')
  return { kem, key }
}

/** A view of the seed inside its PKCS#8. */
function xwingSeed(pkcs8: Uint8Array): Uint8Array {
  if (
    pkcs8.length !== XWING_PKCS8_PREFIX.length + SEED_LENGTH ||
    XWING_PKCS8_PREFIX.some((byte, index) => pkcs8[index] !== byte)
  ) {
    throw new TypeError('the private key is not an x-wing seed')
  }
  return pkcs8.subarray(XWING_PKCS8_PREFIX.length)
}

/** `expandDecapsulationKey` of X-Wing: SHAKE-256 of the seed is ML-KEM's `d ‖ z` (64 bytes), then X25519's scalar (32). */
function expandXwing(seed: Uint8Array): NodePrivateKey {
  const expanded = hash('shake256', seed, { outputEncoding: 'buffer', outputLength: 96 })
  const mlkemDer = concat(MLKEM_PKCS8_PREFIX, expanded.subarray(0, 64))
  const x25519Der = concat(X25519_PKCS8_PREFIX, expanded.subarray(64))
  try {
    const x25519 = importDer(x25519Der)
    return { kem: 'xwing', mlkem: importDer(mlkemDer), x25519, x25519Public: rawPublic(x25519) }
  } finally {
    expanded.fill(0)
    mlkemDer.fill(0)
    x25519Der.fill(0)
  }
}

function publicKeyBytes(key: NodePrivateKey): Uint8Array {
  return key.kem === 'xwing' ? concat(rawPublic(key.mlkem), key.x25519Public) : rawPublic(key.key)
}

function rawPublic(privateKey: KeyObject): Uint8Array {
  return Uint8Array.from(createPublicKey(privateKey).export({ format: 'raw-public' }))
}

/** A Buffer over the same memory, not a copy that nobody would zero. */
function importDer(der: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.from(der.buffer, der.byteOffset, der.length),
    format: 'der',
    type: 'pkcs8',
  })
}
