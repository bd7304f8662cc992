/**
 * Values that a shop's own code encrypted with RSA, as PHP's `openssl_public_encrypt` does: base64 of one RSA block over a
 * payload (docs/formats/envelope.md, "Legacy envelopes"). They are opened, never made.
 *
 * RSAES-PKCS1-v1_5 (RFC 8017 §7.2) is an oracle for whoever learns whether a padding was good (Bleichenbacher 1998). OpenSSL
 * answers a bad one with bytes that are random to everybody without the key and always the same for one ciphertext (implicit
 * rejection, draft-irtf-cfrg-rsa-guidance). So nothing here asks whether the padding was good: whatever comes out is a
 * payload, and what is no payload of the key's form is the one error, as is every other failure.
 */

import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import type { LegacyPadding } from '../api/routes.ts'
import { KeyError, OpenError, TokenError } from './errors.ts'
import { keptFields, type PayloadForm, splitPayload } from './legacy-payload.ts'

/** How an imported key opens. */
export interface LegacyForm extends PayloadForm {
  readonly padding: LegacyPadding
  /** Label of OAEP; none is the empty one. */
  readonly label?: string
  /** The label of OAEP is the context of each value (`info` of docs/formats/envelope.md, "Context"). */
  readonly bound?: boolean
}

/** An imported RSA key, ready to open. */
export interface LegacyPrivateKey {
  readonly suite: 'rsa'
  readonly bits: number
  /** SubjectPublicKeyInfo, PEM. */
  readonly publicKey: string
  readonly form: LegacyForm
  readonly key: KeyObject
}

/** One payload of a batch. */
export interface LegacyItem {
  readonly privateKey: LegacyPrivateKey
  /** The RSA block, as {@link readLegacyText} gives it. */
  readonly ciphertext: Uint8Array
  /** Of its context; what a key with `bound` opens has it as its label. */
  readonly info?: Uint8Array
}

/** Smaller ones are broken by anybody, larger ones hold up everybody else. */
export const MIN_LEGACY_BITS = 1024
export const MAX_LEGACY_BITS = 4096

/** ms of private-key operations after which the event loop gets its turn. */
const ROUND_MS = 10

const OAEP_HASHES = { oaep: 'sha1', 'oaep-sha256': 'sha256' } as const

/**
 * Loads an RSA private key. The caller zeroes `pkcs8`.
 * @throws KeyError `bad-key` when it is no RSA key of {@link MIN_LEGACY_BITS} to {@link MAX_LEGACY_BITS}
 */
export function importLegacyKey(pkcs8: Uint8Array, form: LegacyForm): LegacyPrivateKey {
  const key = importRsa(pkcs8)
  const { modulusLength: bits = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (bits < MIN_LEGACY_BITS || bits > MAX_LEGACY_BITS)
    throw new KeyError(`the key has ${bits} bits; ${MIN_LEGACY_BITS} to ${MAX_LEGACY_BITS} can be imported`)
  if (publicExponent < 3n) throw new KeyError('the public exponent of the key is too small')
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string
  return { suite: 'rsa', bits, publicKey, form, key }
}

function importRsa(pkcs8: Uint8Array): KeyObject {
  try {
    // A Buffer over the same memory, not a copy that nobody would zero.
    const der = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length)
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    if (key.asymmetricKeyType === 'rsa') return key
  } catch (cause) {
    throw new KeyError('this is not a private key', { cause })
  }
  throw new KeyError('the key is not an RSA key for encryption')
}

/**
 * Holds the padding, label and binding that an administrator wants against the rules.
 * @throws KeyError `bad-key`
 */
export function checkPadding({ padding, label, bound, ...form }: LegacyForm): void {
  if ((label || bound) && padding === 'pkcs1') throw new KeyError('a label is for OAEP')
  if (label && bound) throw new KeyError('the label is either one text or the context of each value')
  if (bound && (form.fields.length !== 1 || keptFields(form).length !== 1))
    throw new KeyError('what is bound to its context is one value')
}

/**
 * Holds a key against itself: OpenSSL loads one whose halves do not belong together, and that would open nothing.
 * @throws KeyError `bad-key`
 */
export function proveLegacyKey({ key }: LegacyPrivateKey): void {
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  const value = randomBytes(16)
  try {
    const block = publicEncrypt({ key: createPublicKey(key), padding }, value)
    if (privateDecrypt({ key, padding }, block).equals(value)) return
  } catch {
    // Told below.
  }
  throw new KeyError('the halves of the key do not belong together')
}

/**
 * The RSA block of a text: base64 with padding (RFC 4648 §4), as `base64_encode` gives it; line breaks and spaces are passed
 * over, as those of `chunk_split` and of openssl.
 * @throws TokenError `bad-token`
 */
export function readLegacyText(text: string): Uint8Array {
  const compact = text.replace(/[ \t\r\n]+/g, '')
  const bytes = Buffer.from(compact, 'base64')
  // Node's decoder is lenient; only the canonical text survives the way back.
  if (compact === '' || bytes.toString('base64') !== compact)
    throw new TokenError('the text is not base64 of an encrypted value')
  return bytes
}

/**
 * Opens one block.
 * @returns the parts of its payload that are kept, in the order of the form; the caller zeroes them
 * @throws OpenError `open-failed`, with nothing that tells why
 */
export function openLegacy({ privateKey, ciphertext, info }: LegacyItem): Uint8Array[] {
  const payload = decrypt(privateKey, ciphertext, info)
  try {
    const parts = splitPayload(privateKey.form, payload)
    if (parts === null) throw new OpenError({ cause: new TypeError('the payload has another form') })
    return parts
  } finally {
    payload.fill(0)
  }
}

function decrypt(
  { key, bits, form }: LegacyPrivateKey,
  ciphertext: Uint8Array,
  info: Uint8Array | undefined,
): Uint8Array {
  // OpenSSL takes shorter blocks for numbers with leading zeros; of a column that was cut, nothing should come.
  if (ciphertext.length !== Math.ceil(bits / 8)) throw new OpenError()
  const { padding } = form
  const label = form.bound ? info : form.label && Buffer.from(form.label)
  try {
    if (padding === 'pkcs1') return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, ciphertext)
    return privateDecrypt(
      {
        key,
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: OAEP_HASHES[padding],
        ...(label ? { oaepLabel: label } : {}),
      },
      ciphertext,
    )
  } catch (cause) {
    throw new OpenError({ cause })
  }
}

/**
 * Opens a batch. Node has no RSA decryption in its thread pool, so this thread does all of it, with pauses for others.
 * @returns for each item its parts, or why there are none, in order. Never rejects.
 */
export async function openLegacies(items: readonly LegacyItem[]): Promise<(Uint8Array[] | OpenError)[]> {
  const results: (Uint8Array[] | OpenError)[] = []
  let since = performance.now()
  for (const item of items) {
    if (performance.now() - since > ROUND_MS) {
      await new Promise(setImmediate)
      since = performance.now()
    }
    try {
      results.push(openLegacy(item))
    } catch (cause) {
      results.push(cause instanceof OpenError ? cause : new OpenError({ cause }))
    }
  }
  return results
}
