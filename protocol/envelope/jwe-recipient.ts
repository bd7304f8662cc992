/**
 * Recipients of forwarded values: a public JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037) that an administrator registers,
 * such as a card processor's. Everything that could make encrypting to it fail or be weak is refused here, once.
 */
import {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto'
import { ClavigerError } from '../api/errors.ts'
import { fromBase64url, toBase64url } from '../bytes.ts'

export type JweAlgorithm = 'RSA-OAEP-256' | 'ECDH-ES'
export type JweEncryption = 'A256GCM' | 'A128GCM'

/** The members of a public key that matter; whatever else a JWK had is not kept. */
export type RecipientJwk = (
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'X25519'; readonly x: string }
) & { readonly alg: JweAlgorithm; readonly enc: JweEncryption; readonly kid?: string }

/** A key that values can be encrypted to. */
export interface Recipient {
  readonly jwk: RecipientJwk
  readonly key: KeyObject
  /** SHA-256 of the key in base64url (RFC 7638), for a person to compare with what the recipient says. */
  readonly thumbprint: string
}

/** A key that values cannot be forwarded to. Code `bad-recipient`. */
export class RecipientError extends ClavigerError {
  constructor(message: string, options?: { hint?: string; cause?: unknown }) {
    super('bad-recipient', message, options)
  }
}

const MIN_RSA_BITS = 2048
/** Encrypting to a larger one takes so long that it would hold up everybody else. */
const MAX_RSA_BITS = 8192
const MAX_KID_LENGTH = 256
/** RFC 7518 §6.2.2, §6.3.2, §6.4.1. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * Checks a JWK and makes it ready to encrypt to. `enc` (not a registered member) chooses the content encryption:
 * `A256GCM` unless it says `A128GCM`.
 * @throws RecipientError `bad-recipient` with what is wrong
 */
export function checkRecipient(jwk: unknown): Recipient {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw new RecipientError('a recipient is a json web key', { hint: 'an object such as {"kty":"RSA", …}' })
  const members = new Map<string, unknown>(Object.entries(jwk))
  if (PRIVATE_MEMBERS.some(member => members.has(member)))
    throw new RecipientError('this is a private key', {
      hint: 'ask the recipient for the public key, and to replace this one, as it has been shown around',
    })
  checkUse(members)
  const material = keyMaterial(members)
  const alg: JweAlgorithm = material.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES'
  const enc = members.get('enc') ?? 'A256GCM'
  if ((members.get('alg') ?? alg) !== alg)
    throw new RecipientError(`the key is for another algorithm than ${alg}`, {
      hint: 'RSA-OAEP-256 for RSA keys, ECDH-ES for P-256 and X25519',
    })
  if (enc !== 'A256GCM' && enc !== 'A128GCM')
    throw new RecipientError('the content encryption is neither A256GCM nor A128GCM')
  const key = importKey(material)
  const kid = keyId(members.get('kid'))
  return {
    jwk: { ...material, alg, enc, ...(kid === undefined ? {} : { kid }) },
    key,
    thumbprint: thumbprint(material),
  }
}

type KeyMaterial = RecipientJwk extends infer Jwk
  ? Jwk extends RecipientJwk
    ? Omit<Jwk, 'alg' | 'enc' | 'kid'>
    : never
  : never

/** RFC 7517 §4.2 and §4.3: a key that says what it is for must be for encryption. */
function checkUse(members: ReadonlyMap<string, unknown>): void {
  const use = members.get('use')
  const operations = members.get('key_ops')
  if (use !== undefined && use !== 'enc')
    throw new RecipientError('the key is not for encryption', {
      hint: 'the member "use" of the key says otherwise',
    })
  if (operations !== undefined && (!Array.isArray(operations) || operations.some(signs)))
    throw new RecipientError('the key is not for encryption', {
      hint: 'the member "key_ops" says otherwise',
    })
}

function signs(operation: unknown): boolean {
  return operation === 'sign' || operation === 'verify'
}

function keyMaterial(members: ReadonlyMap<string, unknown>): KeyMaterial {
  const kty = members.get('kty')
  const crv = members.get('crv')
  if (kty === 'RSA') return rsaMaterial(members)
  if (kty === 'EC' && crv === 'P-256')
    return { kty, crv, x: coordinate(members.get('x')), y: coordinate(members.get('y')) }
  if (kty === 'OKP' && crv === 'X25519') return { kty, crv, x: coordinate(members.get('x')) }
  throw new RecipientError('the key is neither RSA nor on one of the curves P-256 and X25519')
}

function rsaMaterial(members: ReadonlyMap<string, unknown>): KeyMaterial {
  const n = unsigned(members.get('n'))
  const e = unsigned(members.get('e'))
  const bits = (n.length - 1) * 8 + (32 - Math.clz32(n[0]!))
  if (bits < MIN_RSA_BITS) throw new RecipientError(`the rsa key has fewer than ${MIN_RSA_BITS} bits`)
  if (bits > MAX_RSA_BITS) throw new RecipientError(`the rsa key has more than ${MAX_RSA_BITS} bits`)
  // OpenSSL would take 1, with which encrypting is not encrypting.
  if (n.at(-1)! % 2 === 0 || e.at(-1)! % 2 === 0 || e.length > 4 || (e.length === 1 && e[0]! < 3))
    throw new RecipientError('the numbers of the rsa key are not those of an rsa key')
  return { kty: 'RSA', n: toBase64url(n), e: toBase64url(e) }
}

/** Base64urlUInt of RFC 7518 §2: no leading zero bytes. */
function unsigned(value: unknown): Uint8Array {
  const bytes = base64url(value, 2048)
  if (bytes === null || bytes.length === 0 || bytes[0] === 0)
    throw new RecipientError('the numbers of the rsa key are not base64url without leading zeros')
  return bytes
}

/** 32 bytes, as RFC 7518 §6.2.1.2 and RFC 8037 §2 have it for these curves. */
function coordinate(value: unknown): string {
  const bytes = base64url(value, 64)
  if (bytes?.length !== 32) throw new RecipientError('a coordinate of the key is not 32 bytes of base64url')
  return toBase64url(bytes)
}

function base64url(value: unknown, maxLength: number): Uint8Array | null {
  return typeof value === 'string' && value.length <= maxLength ? fromBase64url(value) : null
}

function keyId(kid: unknown): string | undefined {
  if (kid === undefined) return undefined
  if (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH || !kid.isWellFormed())
    throw new RecipientError(
      `the member "kid" of the key is not text of at most ${MAX_KID_LENGTH} characters`,
    )
  return kid
}

function importKey(material: KeyMaterial): KeyObject {
  try {
    const key = createPublicKey({ key: material as JsonWebKey, format: 'jwk' })
    // A point of low order makes every shared secret zero; OpenSSL says so only when it derives one.
    if (material.kty === 'OKP')
      diffieHellman({ privateKey: generateKeyPairSync('x25519').privateKey, publicKey: key })
    return key
  } catch (cause) {
    throw new RecipientError('the key is not a point of its curve that can be encrypted to', { cause })
  }
}

/** RFC 7638 §3, RFC 8037 §2: the required members in alphabetical order. */
function thumbprint(material: KeyMaterial): string {
  const { kty } = material
  const required =
    kty === 'RSA'
      ? { e: material.e, kty, n: material.n }
      : kty === 'EC'
        ? { crv: material.crv, kty, x: material.x, y: material.y }
        : { crv: material.crv, kty, x: material.x }
  return createHash('sha256').update(JSON.stringify(required)).digest('base64url')
}
