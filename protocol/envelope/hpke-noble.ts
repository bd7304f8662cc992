/**
 * HPKE base mode (RFC 9180 §5.1, §6.1) in plain JavaScript. Nothing here or below imports from node.
 *
 * For browsers, and the second opinion in tests. Private keys are raw bytes and nothing is promised about timing: a key
 * process uses {@link ./hpke-node.ts}.
 */

import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../bytes.ts'
import { KeyError, OpenError } from './errors.ts'
import { EMPTY, expandPrefix, extractPrefix, type Hpke, hpkeSuiteId, MODE_BASE, type Sealed } from './hpke.ts'
import { NOBLE_KEMS } from './kem-noble.ts'
import { AEADS, type AeadName, NONCE_LENGTH, type Suite } from './suites.ts'

/** What `KeySchedule` of RFC 9180 §5.1 returns. */
export interface NobleKeySchedule {
  readonly key: Uint8Array
  readonly baseNonce: Uint8Array
  readonly exporterSecret: Uint8Array
}

/** HPKE for `suite` over raw private keys of 32 bytes (X-Wing: the seed). */
export function nobleHpke(suite: Suite): Hpke<Uint8Array> {
  const kem = NOBLE_KEMS[suite.kem]
  return {
    suite,
    seal: (publicKey, info, aad, plaintext) =>
      sealWithEphemeral(suite, publicKey, info, aad, plaintext, kem.generateEphemeral()),
    open(privateKey, enc, info, aad, ciphertext) {
      try {
        const { key, baseNonce } = nobleKeySchedule(suite, kem.decapsulate(privateKey, enc), info)
        return aeadOf(suite.aead, key, baseNonce, aad).decrypt(ciphertext)
      } catch (cause) {
        throw new OpenError({ cause })
      }
    },
  }
}

/**
 * Seals with randomness chosen by the caller, for test vectors only; see `encapsulateWithEphemeral` in
 * {@link ./kem-noble.ts} for its form.
 * @throws KeyError `bad-key` when the public key is not one.
 */
export function sealWithEphemeral(
  suite: Suite,
  publicKey: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  ephemeral: Uint8Array,
): Sealed {
  const { sharedSecret, enc } = encapsulate(suite, publicKey, ephemeral)
  const { key, baseNonce } = nobleKeySchedule(suite, sharedSecret, info)
  return { enc, ciphertext: aeadOf(suite.aead, key, baseNonce, aad).encrypt(plaintext) }
}

/** `KeySchedule` in base mode (RFC 9180 §5.1). */
export function nobleKeySchedule(suite: Suite, sharedSecret: Uint8Array, info: Uint8Array): NobleKeySchedule {
  const suiteId = hpkeSuiteId(suite)
  const labeledExtract = (salt: Uint8Array, label: string, ikm: Uint8Array) =>
    extract(sha256, concat(extractPrefix(suiteId, label), ikm), salt)
  const context = concat(
    Uint8Array.of(MODE_BASE),
    labeledExtract(EMPTY, 'psk_id_hash', EMPTY),
    labeledExtract(EMPTY, 'info_hash', info),
  )
  const secret = labeledExtract(sharedSecret, 'secret', EMPTY)
  const labeledExpand = (label: string, length: number) =>
    expand(sha256, secret, concat(expandPrefix(suiteId, label, length), context), length)
  return {
    key: labeledExpand('key', AEADS[suite.aead].keyLength),
    baseNonce: labeledExpand('base_nonce', NONCE_LENGTH),
    exporterSecret: labeledExpand('exp', 32),
  }
}

function encapsulate(suite: Suite, publicKey: Uint8Array, ephemeral: Uint8Array) {
  try {
    return NOBLE_KEMS[suite.kem].encapsulateWithEphemeral(publicKey, ephemeral)
  } catch (cause) {
    throw new KeyError('the public key cannot be sealed to', { cause })
  }
}

function aeadOf(aead: AeadName, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) {
  return aead === 'chacha20-poly1305' ? chacha20poly1305(key, nonce, aad) : gcm(key, nonce, aad)
}
