/**
 * The KEMs on node:crypto: DHKEM(X25519) and DHKEM(P-256) (RFC 9180 §4.1), X-Wing (draft-connolly-cfrg-xwing-kem §5).
 *
 * `crypto.decapsulate` of an X25519 or P-256 key is RFC 9180's `Decap`, HKDF included. A KeyObject has a mutex that a
 * running job holds: two threads that share one KeyObject take turns, so the pool and the main thread each need their own.
 */

import {
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  hash,
  type KeyObject,
} from 'node:crypto'
import { concat } from '../bytes.ts'
import { ascii } from './hpke.ts'
import { KEMS, type KemName } from './suites.ts'

/** A recipient's key inside OpenSSL. */
export type NodePrivateKey =
  | { readonly kem: 'x25519' | 'p256'; readonly key: KeyObject }
  | {
      readonly kem: 'xwing'
      readonly mlkem: KeyObject
      readonly x25519: KeyObject
      /** `pk_X`, 32 bytes, which the combiner binds. */
      readonly x25519Public: Uint8Array
    }

/** A shared secret (32 bytes, the holder zeroes it) and its encapsulation. */
export interface Encapsulated {
  readonly sharedSecret: Uint8Array
  readonly enc: Uint8Array
}

/** Of X-Wing's encapsulation and public key, the part that is ML-KEM-768; X25519 (32 bytes) follows. */
const MLKEM_ENC_LENGTH = 1088
const MLKEM_PUBLIC_LENGTH = 1184

/** `\.//^\`, the label of X-Wing's combiner. */
const XWING_LABEL = ascii('\\.//^\\')

/**
 * Encapsulates to a serialized public key with fresh randomness.
 * @throws any error when the bytes are no public key of this KEM.
 */
export function encapsulateTo(kem: KemName, publicKey: Uint8Array): Encapsulated {
  if (publicKey.length !== KEMS[kem].publicKeyLength)
    throw new RangeError('the public key has a wrong length')
  if (kem === 'xwing') return encapsulateXwing(publicKey)
  const { sharedKey, ciphertext } = encapsulate(
    kem === 'p256' ? importP256(publicKey) : importRaw('x25519', publicKey),
  )
  return { sharedSecret: sharedKey, enc: ciphertext }
}

/**
 * The shared secret (32 bytes, the holder zeroes it) inside `enc`, on this thread.
 * @throws any error when there is none; an all-zero X25519 result is one.
 */
export function decapsulateNow(privateKey: NodePrivateKey, enc: Uint8Array): Uint8Array {
  checkEncapsulation(privateKey.kem, enc)
  if (privateKey.kem !== 'xwing') return decapsulate(privateKey.key, enc)
  const mlkemSecret = decapsulate(privateKey.mlkem, enc.subarray(0, MLKEM_ENC_LENGTH))
  try {
    return combineWithDh(privateKey, enc, mlkemSecret)
  } finally {
    mlkemSecret.fill(0)
  }
}

/** {@link decapsulateNow} in the thread pool. Calls `done` once, later, never throws. */
export function decapsulateInPool(
  privateKey: NodePrivateKey,
  enc: Uint8Array,
  done: (error: unknown, sharedSecret?: Uint8Array) => void,
): void {
  try {
    checkEncapsulation(privateKey.kem, enc)
    if (privateKey.kem !== 'xwing') {
      decapsulate(privateKey.key, enc, done)
      return
    }
    decapsulate(privateKey.mlkem, enc.subarray(0, MLKEM_ENC_LENGTH), (error, mlkemSecret) => {
      if (error) return done(error)
      let sharedSecret: Uint8Array
      try {
        sharedSecret = combineWithDh(privateKey, enc, mlkemSecret)
      } catch (dhError) {
        return done(dhError)
      } finally {
        mlkemSecret.fill(0)
      }
      done(null, sharedSecret)
    })
  } catch (error) {
    queueMicrotask(() => done(error))
  }
}

/**
 * Bare Diffie-Hellman with a serialized public key (RFC 9180 §7.1.1): the X25519 result, or the x coordinate of P-256.
 * @returns 32 bytes, the holder zeroes them
 * @throws any error when the point is none of the curve, or of low order
 */
export function agree(privateKey: NodePrivateKey, publicKey: Uint8Array): Uint8Array {
  const secret = diffieHellman(pairOf(privateKey, publicKey))
  return new Uint8Array(secret.buffer, secret.byteOffset, secret.length)
}

/** {@link agree} in the thread pool; rejects where that throws. */
export function agreeInPool(privateKey: NodePrivateKey, publicKey: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    diffieHellman(pairOf(privateKey, publicKey), (error, secret) => {
      if (error) reject(error)
      else resolve(new Uint8Array(secret.buffer, secret.byteOffset, secret.length))
    })
  })
}

function pairOf(
  privateKey: NodePrivateKey,
  publicKey: Uint8Array,
): { privateKey: KeyObject; publicKey: KeyObject } {
  if (privateKey.kem === 'xwing') throw new TypeError('x-wing agrees on nothing')
  if (publicKey.length !== KEMS[privateKey.kem].publicKeyLength)
    throw new RangeError('the public key has a wrong length')
  const point = privateKey.kem === 'p256' ? importP256(publicKey) : importRaw('x25519', publicKey)
  return { privateKey: privateKey.key, publicKey: point }
}

function checkEncapsulation(kem: KemName, enc: Uint8Array): void {
  if (enc.length !== KEMS[kem].encapsulatedLength)
    throw new RangeError('the encapsulated key has a wrong length')
  if (kem === 'p256') checkUncompressed(enc)
}

/** RFC 9180 §7.1.1 knows only 0x04; OpenSSL would also take the hybrid forms 0x06 and 0x07, which are as long. */
function checkUncompressed(point: Uint8Array): void {
  if (point[0] !== 0x04) throw new RangeError('the point is not in uncompressed form')
}

function encapsulateXwing(publicKey: Uint8Array): Encapsulated {
  const mlkem = encapsulate(importRaw('ml-kem-768', publicKey.subarray(0, MLKEM_PUBLIC_LENGTH)))
  const x25519Public = publicKey.subarray(MLKEM_PUBLIC_LENGTH)
  const ephemeral = generateKeyPairSync('x25519')
  const ephemeralPublic = ephemeral.publicKey.export({ format: 'raw-public' })
  const dh = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: importRaw('x25519', x25519Public) })
  try {
    return {
      sharedSecret: combine(mlkem.sharedKey, dh, ephemeralPublic, x25519Public),
      enc: concat(mlkem.ciphertext, ephemeralPublic),
    }
  } finally {
    mlkem.sharedKey.fill(0)
    dh.fill(0)
  }
}

function combineWithDh(
  privateKey: NodePrivateKey & { kem: 'xwing' },
  enc: Uint8Array,
  mlkemSecret: Uint8Array,
): Uint8Array {
  const ephemeral = enc.subarray(MLKEM_ENC_LENGTH)
  const dh = diffieHellman({ privateKey: privateKey.x25519, publicKey: importRaw('x25519', ephemeral) })
  try {
    return combine(mlkemSecret, dh, ephemeral, privateKey.x25519Public)
  } finally {
    dh.fill(0)
  }
}

/** X-Wing's `Combiner`. */
function combine(
  mlkemSecret: Uint8Array,
  dh: Uint8Array,
  ephemeral: Uint8Array,
  x25519Public: Uint8Array,
): Uint8Array {
  const input = concat(mlkemSecret, dh, ephemeral, x25519Public, XWING_LABEL)
  try {
    return hash('sha3-256', input, 'buffer')
  } finally {
    input.fill(0)
  }
}

function importRaw(asymmetricKeyType: 'x25519' | 'ml-kem-768', bytes: Uint8Array): KeyObject {
  return importPublic({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType })
}

function importP256(point: Uint8Array): KeyObject {
  checkUncompressed(point)
  return importPublic({
    key: Buffer.from(point),
    format: 'raw-public',
    asymmetricKeyType: 'ec',
    namedCurve: 'P-256',
  })
}

/**
 * node 24 throws two exceptions and catches them, to learn that an object with bytes is no KeyObject. Tracing the stack for them
 * takes 15 of the 21 µs of an import, so there is none to trace.
 */
function importPublic(input: Parameters<typeof createPublicKey>[0]): KeyObject {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return createPublicKey(input)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
