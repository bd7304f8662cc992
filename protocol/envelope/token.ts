/**
 * Field tokens and public keys as text (docs/formats/envelope.md, "Token" and "Public key").
 *
 * `clv1.<suite>.<key>.<version>.<base64url(enc ‖ ct)>`. A key's name may hold dots, but suite, version and body cannot,
 * so the first two and the last two dots are always the separators: a token parses in one way only. Both forms are
 * strict: whatever parses is exactly what formatting the result gives again.
 */

import { concat, fromBase64url, toBase64url } from '../bytes.ts'
import { isName } from './context.ts'
import { KeyError, TokenError } from './errors.ts'
import { FIELD_SUITES, isSuiteLetter, KEMS, type SuiteLetter, TAG_LENGTH } from './suites.ts'

/** A field token in parts. */
export interface Token {
  readonly suite: SuiteLetter
  /** Name of the key, without its version. */
  readonly key: string
  /** Version of the key, 1 to 2^31 - 1. */
  readonly version: number
  /** `enc ‖ ct`. */
  readonly body: Uint8Array
}

/** A key to seal to, as a shop's server holds it. */
export interface PublicKey {
  readonly suite: SuiteLetter
  readonly namespace: string
  readonly key: string
  readonly version: number
  /** Serialized as RFC 9180 §7.1.1 and draft-connolly-cfrg-xwing-kem §5.2 say. */
  readonly bytes: Uint8Array
}

/** Longest plaintext of a field, in bytes. */
export const MAX_PLAINTEXT_LENGTH = 65_536

const VERSION = /^[1-9][0-9]{0,9}$/
const MAX_VERSION = 2 ** 31 - 1
/** Longest token: the longest prefix (`clv1.q.` + 32 + `.2147483647.`) and the longest body. */
const MAX_TOKEN_LENGTH = 7 + 32 + 12 + Math.ceil(((1120 + MAX_PLAINTEXT_LENGTH + TAG_LENGTH) * 4) / 3)
/** Longest public key: `clvp1:q:` + 32 + `:` + 32 + `:2147483647:` and 1,216 bytes. */
const MAX_PUBLIC_KEY_LENGTH = 8 + 32 + 1 + 32 + 12 + Math.ceil((1216 * 4) / 3)

/**
 * Parses a field token.
 * @throws TokenError `bad-token`
 */
export function parseToken(text: string): Token {
  if (typeof text !== 'string') throw new TokenError('a field token is a string')
  if (text.length > MAX_TOKEN_LENGTH) throw new TokenError('the field token is too long')
  const bodyDot = text.lastIndexOf('.')
  const versionDot = text.lastIndexOf('.', bodyDot - 1)
  // `clv1.s.k.1.…`: the shortest prefix puts the dot before the version at index 8.
  if (!text.startsWith('clv1.') || text[6] !== '.' || versionDot < 8) {
    throw new TokenError('the text is not a field token')
  }
  const suite = text[5]!
  const key = text.slice(7, versionDot)
  const version = parseVersion(text.slice(versionDot + 1, bodyDot))
  if (!isSuiteLetter(suite)) throw new TokenError('the suite of the field token is unknown')
  if (!isName(key)) throw new TokenError('the key name of the field token is not a name')
  if (version === null) throw new TokenError('the key version of the field token is not a version')
  const body = fromBase64url(text.slice(bodyDot + 1))
  if (body === null) throw new TokenError('the body of the field token is not canonical base64url')
  checkBody(suite, body)
  return { suite, key, version, body }
}

/**
 * The text of a field token.
 * @throws TokenError `bad-token` when the parts make none.
 */
export function formatToken({ suite, key, version, body }: Token): string {
  if (!isSuiteLetter(suite)) throw new TokenError('the suite of the field token is unknown')
  if (!isName(key)) throw new TokenError('the key name of the field token is not a name')
  if (!isVersion(version)) throw new TokenError('the key version of the field token is not a version')
  checkBody(suite, body)
  return `clv1.${suite}.${key}.${version}.${toBase64url(body)}`
}

/** `enc ‖ ct` of a token, cut where the suite's encapsulated key ends. Both are views of the body. */
export function splitBody({ suite, body }: Token): { enc: Uint8Array; ciphertext: Uint8Array } {
  const { encapsulatedLength } = KEMS[FIELD_SUITES[suite].kem]
  return { enc: body.subarray(0, encapsulatedLength), ciphertext: body.subarray(encapsulatedLength) }
}

/** Puts `enc` and `ct` into the body of a token. */
export function joinBody(enc: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return concat(enc, ciphertext)
}

/**
 * Parses `clvp1:<suite>:<namespace>:<key>:<version>:<base64url>`. A colon is in none of the parts.
 * @throws KeyError `bad-key`
 */
export function parsePublicKey(text: string): PublicKey {
  if (typeof text !== 'string' || text.length > MAX_PUBLIC_KEY_LENGTH) {
    throw new KeyError('the text is not a public key')
  }
  const parts = text.split(':')
  const [tag, suite, namespace, key, versionText, base64url] = parts as [string, ...(string | undefined)[]]
  const version = parseVersion(versionText ?? '')
  const bytes = fromBase64url(base64url ?? '')
  if (parts.length !== 6 || tag !== 'clvp1' || version === null || bytes === null) {
    throw new KeyError('the text is not a public key')
  }
  return checkPublicKey({ suite, namespace, key, version, bytes } as PublicKey)
}

/**
 * The text of a public key.
 * @throws KeyError `bad-key` when the parts make none.
 */
export function formatPublicKey(publicKey: PublicKey): string {
  const { suite, namespace, key, version, bytes } = checkPublicKey(publicKey)
  return `clvp1:${suite}:${namespace}:${key}:${version}:${toBase64url(bytes)}`
}

function checkPublicKey(publicKey: PublicKey): PublicKey {
  const { suite, namespace, key, version, bytes } = publicKey
  if (!isSuiteLetter(suite)) throw new KeyError('the suite of the public key is unknown')
  if (!isName(namespace)) throw new KeyError('the namespace of the public key is not a name')
  if (!isName(key)) throw new KeyError('the name of the public key is not a name')
  if (!isVersion(version)) throw new KeyError('the version of the public key is not a version')
  if (!(bytes instanceof Uint8Array) || bytes.length !== KEMS[FIELD_SUITES[suite].kem].publicKeyLength) {
    throw new KeyError('the public key does not have the length its suite asks for')
  }
  return publicKey
}

function checkBody(suite: SuiteLetter, body: Uint8Array): void {
  const overhead = KEMS[FIELD_SUITES[suite].kem].encapsulatedLength + TAG_LENGTH
  if (!(body instanceof Uint8Array) || body.length < overhead)
    throw new TokenError('the field token is too short')
  if (body.length > overhead + MAX_PLAINTEXT_LENGTH) throw new TokenError('the field token is too long')
}

/** @returns `null` for text that is no version, 1 to 2^31 - 1 without leading zeros */
export function parseVersion(text: string): number | null {
  if (!VERSION.test(text)) return null
  const version = Number(text)
  return version <= MAX_VERSION ? version : null
}

function isVersion(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_VERSION
}
