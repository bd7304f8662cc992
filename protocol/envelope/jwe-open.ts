/**
 * Opens a JWE (RFC 7516 §5.2) that {@link ./jwe-read.ts} understood, with a key of suite x or p, or an imported RSA key. A place
 * in its protected header must be the one that is asked for; that, a wrong key and damaged bytes are the one error.
 */

import { constants, createDecipheriv, createSecretKey, privateDecrypt, randomFillSync } from 'node:crypto'
import { concat } from '../bytes.ts'
import { aeadOpen } from './aead-node.ts'
import { type Context, contextInfo } from './context.ts'
import { OpenError } from './errors.ts'
import { JWE_CONTENT_KEY_LENGTHS, type JweContentEncryption } from './jwe-header.ts'
import { concatKdf } from './jwe-kdf.ts'
import type { Jwe } from './jwe-read.ts'
import { agree, agreeInPool, type NodePrivateKey } from './kem-node.ts'
import type { FieldPrivateKey } from './keys.ts'
import type { LegacyPrivateKey } from './legacy.ts'

const CIPHERS = { A256GCM: 'aes-256-gcm', A128GCM: 'aes-128-gcm' } as const
const WRAPPING_KEY_LENGTH = 32
/** RFC 3394 §2.2.3.1. */
const WRAPPING_IV = new Uint8Array(8).fill(0xa6)

/**
 * Opens a JWE. The caller zeroes what it returns.
 * @throws OpenError `open-failed`, with nothing that tells why; ContextError `bad-context`
 */
export function openJwe(
  privateKey: FieldPrivateKey | LegacyPrivateKey,
  jwe: Jwe,
  context: Context,
): Uint8Array {
  contextInfo(context)
  try {
    checkPlace(jwe, context)
    if (privateKey.suite !== 'rsa') return unseal(jwe, agree(privateKey.main, pointOf(privateKey.main, jwe)))
    if (jwe.alg !== 'RSA-OAEP-256') throw new TypeError('the jwe is for a key of another kind')
    return open(jwe, unwrapRsa(privateKey, jwe.encryptedKey, jwe.enc))
  } catch (cause) {
    throw new OpenError({ cause })
  }
}

/**
 * {@link openJwe} with the private-key operation in the thread pool; rejects where that throws.
 * @param lane - the copy of the key that the pool works with; one that this thread uses too would make one wait for the other
 */
export async function openJweInPool(lane: NodePrivateKey, jwe: Jwe, context: Context): Promise<Uint8Array> {
  contextInfo(context)
  try {
    checkPlace(jwe, context)
    return unseal(jwe, await agreeInPool(lane, pointOf(lane, jwe)))
  } catch (cause) {
    throw new OpenError({ cause })
  }
}

function checkPlace({ clv }: Jwe, { field, record }: Context): void {
  if (clv && (clv.field !== field || clv.record !== record))
    throw new TypeError('the jwe belongs to another place')
}

/** The public key to agree with. */
function pointOf(privateKey: NodePrivateKey, { epk }: Jwe): Uint8Array {
  if (epk === null || epk.kem !== privateKey.kem) throw new TypeError('the jwe is for a key of another kind')
  return epk.bytes
}

/** Opens with what was agreed on, and zeroes that. */
function unseal(jwe: Jwe, secret: Uint8Array): Uint8Array {
  const { alg, enc, apu, apv, encryptedKey } = jwe
  try {
    if (alg === 'ECDH-ES') return open(jwe, concatKdf(secret, enc, JWE_CONTENT_KEY_LENGTHS[enc], apu, apv))
    const wrappingKey = concatKdf(secret, alg, WRAPPING_KEY_LENGTH, apu, apv)
    try {
      return open(jwe, unwrapAes(wrappingKey, encryptedKey, enc))
    } finally {
      wrappingKey.fill(0)
    }
  } finally {
    secret.fill(0)
  }
}

/** Opens with the content key, and zeroes that. */
function open({ enc, nonce, aad, ciphertext }: Jwe, contentKey: Uint8Array): Uint8Array {
  try {
    return aeadOpen(CIPHERS[enc], contentKey, nonce, aad, ciphertext)
  } finally {
    contentKey.fill(0)
  }
}

/** AES Key Wrap (RFC 3394). */
function unwrapAes(wrappingKey: Uint8Array, wrapped: Uint8Array, enc: JweContentEncryption): Uint8Array {
  const length = JWE_CONTENT_KEY_LENGTHS[enc]
  if (wrapped.length !== length + 8) throw new RangeError('the encrypted key has another length')
  const decipher = createDecipheriv('id-aes256-wrap', createSecretKey(wrappingKey), WRAPPING_IV)
  return concat(decipher.update(wrapped), decipher.final())
}

/**
 * RFC 7516 §11.5: what does not decrypt to a key of the right length becomes a random one, so that every failure is that of the
 * tag, after the same work.
 */
function unwrapRsa(
  { key, bits }: LegacyPrivateKey,
  wrapped: Uint8Array,
  enc: JweContentEncryption,
): Uint8Array {
  const random = randomFillSync(new Uint8Array(JWE_CONTENT_KEY_LENGTHS[enc]))
  if (wrapped.length !== Math.ceil(bits / 8)) return random
  try {
    const contentKey = privateDecrypt(
      { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      wrapped,
    )
    if (contentKey.length === random.length) return contentKey
    contentKey.fill(0)
  } catch {
    // The tag will tell.
  }
  return random
}
