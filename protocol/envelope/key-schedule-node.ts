/**
 * The HPKE key schedule in base mode (RFC 9180 §5.1) on node:crypto, made for the hot path.
 *
 * HMAC is two one-shot `crypto.hash` calls over blocks laid out once: that costs a fifth of `createHmac` with raw keys.
 * The blocks are reused, which is safe because nothing here yields to the event loop; what they hold of a secret is
 * zeroed before every return.
 */

import { hash } from 'node:crypto'
import { concat } from '../bytes.ts'
import { EMPTY, expandPrefix, extractPrefix, hpkeSuiteId, MODE_BASE } from './hpke.ts'
import { AEADS, NONCE_LENGTH, type Suite } from './suites.ts'

/** What the AEAD needs; the holder zeroes it. */
export interface MessageKey {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
}

/** The key schedule of one suite. */
export interface KeySchedule {
  /** Key and base nonce for a shared secret (32 bytes) and an `info`. */
  derive(sharedSecret: Uint8Array, info: Uint8Array): MessageKey
  /** `exporter_secret`; no format here uses it, the RFC's vectors do. */
  exporterSecret(sharedSecret: Uint8Array, info: Uint8Array): Uint8Array
}

const BLOCK = 64
const DIGEST = 32

/** The key schedule of `suite`, with everything that does not depend on a message computed now. */
export function nodeKeySchedule(suite: Suite): KeySchedule {
  const suiteId = hpkeSuiteId(suite)
  const { keyLength } = AEADS[suite.aead]

  // LabeledExtract with an empty salt is HMAC under a key of zeros.
  const pskIdHash = prepareHmacUnderZeros(extractPrefix(suiteId, 'psk_id_hash'))(EMPTY)
  const hashInfo = prepareHmacUnderZeros(extractPrefix(suiteId, 'info_hash'))

  const secretHmac = prepareHmac(extractPrefix(suiteId, 'secret'))
  const expansion = (label: string, length: number) => {
    const prefix = expandPrefix(suiteId, label, length)
    const context = concat(Uint8Array.of(MODE_BASE), pskIdHash, new Uint8Array(DIGEST))
    const infoHashAt = prefix.length + 1 + DIGEST
    return { length, infoHashAt, hmac: prepareHmac(concat(prefix, context, Uint8Array.of(0x01))) }
  }
  const key = expansion('key', keyLength)
  const nonce = expansion('base_nonce', NONCE_LENGTH)
  const exporter = expansion('exp', DIGEST)

  function expand(target: typeof key, secret: Uint8Array, infoHash: Uint8Array): Uint8Array {
    target.hmac.setMessage(target.infoHashAt, infoHash)
    const block = target.hmac.digest(secret)
    // One block of HKDF-Expand covers every length asked for here (at most 32 bytes).
    return target.length === DIGEST ? block : block.subarray(0, target.length)
  }

  return {
    derive(sharedSecret, info) {
      const infoHash = hashInfo(info)
      const secret = secretHmac.digest(sharedSecret)
      try {
        return { key: expand(key, secret, infoHash), nonce: expand(nonce, secret, infoHash) }
      } finally {
        secret.fill(0)
      }
    },
    exporterSecret(sharedSecret, info) {
      const infoHash = hashInfo(info)
      const secret = secretHmac.digest(sharedSecret)
      try {
        return expand(exporter, secret, infoHash)
      } finally {
        secret.fill(0)
      }
    },
  }
}

/** HMAC-SHA256 (RFC 2104) over a message of fixed length, under keys of 32 bytes. */
function prepareHmac(message: Uint8Array) {
  const inner = concat(new Uint8Array(BLOCK).fill(0x36), message)
  const outer = concat(new Uint8Array(BLOCK).fill(0x5c), new Uint8Array(DIGEST))
  return {
    /** Overwrites a part of the message. */
    setMessage(offset: number, part: Uint8Array): void {
      inner.set(part, BLOCK + offset)
    },
    digest(key: Uint8Array): Uint8Array {
      for (let i = 0; i < DIGEST; i++) {
        const byte = key[i]!
        inner[i] = byte ^ 0x36
        outer[i] = byte ^ 0x5c
      }
      try {
        const innerDigest = hash('sha256', inner, 'buffer')
        outer.set(innerDigest, BLOCK)
        innerDigest.fill(0)
        return hash('sha256', outer, 'buffer')
      } finally {
        inner.fill(0, 0, DIGEST)
        outer.fill(0, 0, DIGEST)
        outer.fill(0, BLOCK)
      }
    },
  }
}

/** HMAC-SHA256 under a key of zeros, whose padded form is a constant, over `prefix` and then a message of any length. */
function prepareHmacUnderZeros(prefix: Uint8Array) {
  const innerHead = concat(new Uint8Array(BLOCK).fill(0x36), prefix)
  const outer = concat(new Uint8Array(BLOCK).fill(0x5c), new Uint8Array(DIGEST))
  return (message: Uint8Array): Uint8Array => {
    const inner = new Uint8Array(innerHead.length + message.length)
    inner.set(innerHead)
    inner.set(message, innerHead.length)
    outer.set(hash('sha256', inner, 'buffer'), BLOCK)
    return hash('sha256', outer, 'buffer')
  }
}
