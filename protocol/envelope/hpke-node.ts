/**
 * HPKE base mode (RFC 9180 §6.1) on node:crypto: what the key process runs.
 */

import { aeadOpen, aeadSeal } from './aead-node.ts'
import { KeyError, OpenError } from './errors.ts'
import type { Hpke } from './hpke.ts'
import { decapsulateInPool, decapsulateNow, encapsulateTo, type NodePrivateKey } from './kem-node.ts'
import { type KeySchedule, nodeKeySchedule } from './key-schedule-node.ts'
import type { Suite } from './suites.ts'

/** HPKE that can also decapsulate in the thread pool. */
export interface NodeHpke extends Hpke<NodePrivateKey> {
  /**
   * {@link Hpke.open} with the decapsulation in the thread pool and the rest on this thread.
   * Calls `done` once, later, with the plaintext or the one error of opening; never throws.
   */
  openInPool(
    privateKey: NodePrivateKey,
    enc: Uint8Array,
    info: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
    done: (result: Uint8Array | OpenError) => void,
  ): void
}

/** HPKE for `suite`. Keep what it returns: it holds precomputed parts of the key schedule. */
export function nodeHpke(suite: Suite): NodeHpke {
  const schedule = nodeKeySchedule(suite)
  return {
    suite,

    seal(publicKey, info, aad, plaintext) {
      const { sharedSecret, enc } = encapsulate(suite, publicKey)
      const { key, nonce } = deriveAndForget(schedule, sharedSecret, info)
      try {
        return { enc, ciphertext: aeadSeal(suite.aead, key, nonce, aad, plaintext) }
      } finally {
        key.fill(0)
        nonce.fill(0)
      }
    },

    open(privateKey, enc, info, aad, ciphertext) {
      try {
        checkKem(suite, privateKey)
        return openWithSecret(suite, schedule, decapsulateNow(privateKey, enc), info, aad, ciphertext)
      } catch (cause) {
        throw new OpenError({ cause })
      }
    },

    openInPool(privateKey, enc, info, aad, ciphertext, done) {
      try {
        checkKem(suite, privateKey)
      } catch (cause) {
        queueMicrotask(() => done(new OpenError({ cause })))
        return
      }
      decapsulateInPool(privateKey, enc, (error, sharedSecret) => {
        let result: Uint8Array | OpenError
        try {
          if (sharedSecret === undefined) throw error
          result = openWithSecret(suite, schedule, sharedSecret, info, aad, ciphertext)
        } catch (cause) {
          result = new OpenError({ cause })
        }
        done(result)
      })
    },
  }
}

function encapsulate(suite: Suite, publicKey: Uint8Array) {
  try {
    return encapsulateTo(suite.kem, publicKey)
  } catch (cause) {
    throw new KeyError('the public key cannot be sealed to', { cause })
  }
}

function checkKem(suite: Suite, privateKey: NodePrivateKey): void {
  if (privateKey.kem !== suite.kem) throw new TypeError('the private key belongs to another kem')
}

function openWithSecret(
  suite: Suite,
  schedule: KeySchedule,
  sharedSecret: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const { key, nonce } = deriveAndForget(schedule, sharedSecret, info)
  try {
    return aeadOpen(suite.aead, key, nonce, aad, ciphertext)
  } finally {
    key.fill(0)
    nonce.fill(0)
  }
}

function deriveAndForget(schedule: KeySchedule, sharedSecret: Uint8Array, info: Uint8Array) {
  try {
    return schedule.derive(sharedSecret, info)
  } finally {
    sharedSecret.fill(0)
  }
}
