/**
 * The KEMs in plain JavaScript: DHKEM(X25519) and DHKEM(P-256) (RFC 9180 §4.1), X-Wing (draft-connolly-cfrg-xwing-kem §5).
 *
 * For browsers, and the second opinion in tests. Private keys are raw: 32 bytes for every KEM (scalar, scalar, seed).
 */

import { x25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { sha3_256, shake256 } from '@noble/hashes/sha3.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { concat } from '../bytes.ts'
import { ascii, EMPTY, expandPrefix, extractPrefix, kemSuiteId } from './hpke.ts'
import { KEMS, type KemName } from './suites.ts'

/** A KEM over raw bytes. */
export interface NobleKem {
  generatePrivateKey(): Uint8Array
  publicKeyOf(privateKey: Uint8Array): Uint8Array
  /**
   * Encapsulation whose randomness is chosen by the caller, for test vectors: the ephemeral private key of a DHKEM (32
   * bytes), the 64-byte `eseed` of X-Wing. Used twice for one recipient it gives the secret away.
   * @throws any error when the public key is not one.
   */
  encapsulateWithEphemeral(
    publicKey: Uint8Array,
    ephemeral: Uint8Array,
  ): { sharedSecret: Uint8Array; enc: Uint8Array }
  generateEphemeral(): Uint8Array
  /** @throws any error when `enc` holds no secret; an all-zero X25519 result is one. */
  decapsulate(privateKey: Uint8Array, enc: Uint8Array): Uint8Array
}

/** Diffie-Hellman over serialized points. */
interface Group {
  generatePrivateKey(): Uint8Array
  publicKeyOf(privateKey: Uint8Array): Uint8Array
  /** @throws when the point is not on the curve, or the result is none. */
  agree(privateKey: Uint8Array, point: Uint8Array): Uint8Array
}

const X25519: Group = {
  generatePrivateKey: () => x25519.utils.randomSecretKey(),
  publicKeyOf: privateKey => x25519.getPublicKey(privateKey),
  agree(privateKey, point) {
    const shared = x25519.getSharedSecret(privateKey, point)
    if (shared.every(byte => byte === 0)) throw new RangeError('the shared secret is zero')
    return shared
  },
}

const P256: Group = {
  generatePrivateKey: () => p256.utils.randomSecretKey(),
  publicKeyOf: privateKey => p256.getPublicKey(privateKey, false),
  // RFC 9180 §4.1: the x coordinate only.
  agree: (privateKey, point) => p256.getSharedSecret(privateKey, point, true).slice(1),
}

/** Of X-Wing's encapsulation and public key, the part that is ML-KEM-768; X25519 (32 bytes) follows. */
const MLKEM_ENC_LENGTH = 1088
const MLKEM_PUBLIC_LENGTH = 1184
const XWING_LABEL = ascii('\\.//^\\')

export const NOBLE_KEMS: Readonly<Record<KemName, NobleKem>> = {
  x25519: dhkem('x25519', X25519),
  p256: dhkem('p256', P256),
  xwing: xwing(),
}

function dhkem(kem: 'x25519' | 'p256', group: Group): NobleKem {
  const suiteId = kemSuiteId(kem)

  /** `ExtractAndExpand` (RFC 9180 §4.1). */
  function extractAndExpand(dh: Uint8Array, enc: Uint8Array, publicKey: Uint8Array): Uint8Array {
    const prk = extract(sha256, concat(extractPrefix(suiteId, 'eae_prk'), dh), EMPTY)
    return expand(sha256, prk, concat(expandPrefix(suiteId, 'shared_secret', 32), enc, publicKey), 32)
  }

  return {
    generatePrivateKey: group.generatePrivateKey,
    publicKeyOf: group.publicKeyOf,
    generateEphemeral: group.generatePrivateKey,
    encapsulateWithEphemeral(publicKey, ephemeral) {
      checkLength(publicKey, KEMS[kem].publicKeyLength)
      const enc = group.publicKeyOf(ephemeral)
      return { sharedSecret: extractAndExpand(group.agree(ephemeral, publicKey), enc, publicKey), enc }
    },
    decapsulate(privateKey, enc) {
      checkLength(enc, KEMS[kem].encapsulatedLength)
      return extractAndExpand(group.agree(privateKey, enc), enc, group.publicKeyOf(privateKey))
    },
  }
}

function xwing(): NobleKem {
  function expandSeed(seed: Uint8Array) {
    checkLength(seed, 32)
    const expanded = shake256(seed, { dkLen: 96 })
    const mlkem = ml_kem768.keygen(expanded.slice(0, 64))
    const scalar = expanded.slice(64)
    return { mlkem, scalar, x25519Public: X25519.publicKeyOf(scalar) }
  }
  function combine(mlkemSecret: Uint8Array, dh: Uint8Array, enc: Uint8Array, x25519Public: Uint8Array) {
    return sha3_256(concat(mlkemSecret, dh, enc, x25519Public, XWING_LABEL))
  }
  return {
    generatePrivateKey: X25519.generatePrivateKey,
    publicKeyOf(seed) {
      const { mlkem, x25519Public } = expandSeed(seed)
      return concat(mlkem.publicKey, x25519Public)
    },
    generateEphemeral: () => concat(X25519.generatePrivateKey(), X25519.generatePrivateKey()),
    encapsulateWithEphemeral(publicKey, eseed) {
      checkLength(publicKey, KEMS.xwing.publicKeyLength)
      checkLength(eseed, 64)
      const { sharedSecret, cipherText } = ml_kem768.encapsulate(
        publicKey.slice(0, MLKEM_PUBLIC_LENGTH),
        eseed.slice(0, 32),
      )
      const x25519Public = publicKey.slice(MLKEM_PUBLIC_LENGTH)
      const scalar = eseed.slice(32)
      const ephemeralPublic = X25519.publicKeyOf(scalar)
      return {
        sharedSecret: combine(
          sharedSecret,
          X25519.agree(scalar, x25519Public),
          ephemeralPublic,
          x25519Public,
        ),
        enc: concat(cipherText, ephemeralPublic),
      }
    },
    decapsulate(seed, enc) {
      checkLength(enc, KEMS.xwing.encapsulatedLength)
      const { mlkem, scalar, x25519Public } = expandSeed(seed)
      const mlkemSecret = ml_kem768.decapsulate(enc.slice(0, MLKEM_ENC_LENGTH), mlkem.secretKey)
      const ephemeralPublic = enc.slice(MLKEM_ENC_LENGTH)
      return combine(mlkemSecret, X25519.agree(scalar, ephemeralPublic), ephemeralPublic, x25519Public)
    },
  }
}

function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes in place of ${length}`)
}
