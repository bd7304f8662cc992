/**
 * JSON Web Encryption to a registered recipient (RFC 7516 §5.1, compact serialization §7.1): what `forward` answers, so that a
 * value reaches a card processor and is never seen in between.
 */
import {
  constants,
  createCipheriv,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomFillSync,
} from 'node:crypto'
import { concat, toBase64url } from '../bytes.ts'
import { concatKdf } from './jwe-kdf.ts'
import type { JweEncryption, Recipient } from './jwe-recipient.ts'

export { checkRecipient, type Recipient, RecipientError, type RecipientJwk } from './jwe-recipient.ts'

const CIPHERS: Readonly<Record<JweEncryption, { cipher: 'aes-256-gcm' | 'aes-128-gcm'; keyLength: number }>> =
  {
    A256GCM: { cipher: 'aes-256-gcm', keyLength: 32 },
    A128GCM: { cipher: 'aes-128-gcm', keyLength: 16 },
  }
const NONCE_LENGTH = 12

const encoder = new TextEncoder()

/** What the recipient's key makes of a fresh content encryption key. */
interface Wrapped {
  /** The caller's to zero. */
  readonly contentKey: Uint8Array
  /** Empty in direct key agreement. */
  readonly encryptedKey: Uint8Array
  readonly header: Readonly<Record<string, unknown>>
}

/**
 * Encrypts to a recipient.
 * @returns the compact serialization, ASCII
 */
export function encryptJwe(plaintext: Uint8Array, recipient: Recipient): string {
  const { alg, enc, kid } = recipient.jwk
  const { contentKey, encryptedKey, header } = alg === 'RSA-OAEP-256' ? wrap(recipient) : agree(recipient)
  try {
    const protectedHeader = { alg, enc, ...(kid === undefined ? {} : { kid }), ...header }
    const encodedHeader = toBase64url(encoder.encode(JSON.stringify(protectedHeader)))
    const nonce = randomFillSync(new Uint8Array(NONCE_LENGTH))
    const cipher = createCipheriv(CIPHERS[enc].cipher, createSecretKey(contentKey), nonce)
    cipher.setAAD(encoder.encode(encodedHeader))
    const ciphertext = concat(cipher.update(plaintext), cipher.final())
    const parts = [encryptedKey, nonce, ciphertext, cipher.getAuthTag()]
    return [encodedHeader, ...parts.map(toBase64url)].join('.')
  } finally {
    contentKey.fill(0)
  }
}

/** `RSA-OAEP-256` (RFC 7518 §4.3). */
function wrap({ key, jwk }: Recipient): Wrapped {
  const contentKey = randomFillSync(new Uint8Array(CIPHERS[jwk.enc].keyLength))
  const encryptedKey = publicEncrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    contentKey,
  )
  return { contentKey, encryptedKey, header: {} }
}

/** `ECDH-ES` in direct key agreement (RFC 7518 §4.6, RFC 8037 §3.2), without `apu` and `apv`. */
function agree({ key, jwk }: Recipient): Wrapped {
  const { enc } = jwk
  const ephemeral =
    jwk.kty === 'EC' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: key })
  try {
    const contentKey = concatKdf(secret, enc, CIPHERS[enc].keyLength)
    const epk = ephemeral.publicKey.export({ format: 'jwk' })
    return { contentKey, encryptedKey: new Uint8Array(), header: { epk } }
  } finally {
    secret.fill(0)
  }
}
