/**
 * A JWE in parts (RFC 7516 §7): compact, or JSON in its flattened form, or in its general form with one recipient. Members that
 * are unknown or there twice are refused, so that one text is one JWE to every reader.
 */

import { concat, fromBase64url } from '../bytes.ts'
import { TokenError } from './errors.ts'
import { type JweHeader, readJweHeader } from './jwe-header.ts'
import { isPlainObject, parseJsonObject } from './strict-json.ts'
import { MAX_PLAINTEXT_LENGTH } from './token.ts'

/** A JWE that is understood. */
export interface Jwe extends JweHeader {
  /** Empty in direct key agreement. */
  readonly encryptedKey: Uint8Array
  readonly nonce: Uint8Array
  /** Ciphertext and its tag of 16 bytes. */
  readonly ciphertext: Uint8Array
  /** What the tag covers beside: the protected header as it came, ASCII. */
  readonly aad: Uint8Array
}

const MAX_HEADER_TEXT = 2048
const MAX_HEADER_DEPTH = 2
/** `{recipients: [{header: {epk: {…}}}]}`. */
const MAX_JSON_DEPTH = 5
/** Of RSA with 4,096 bits; what a wrapped key measures is far less. */
const MAX_ENCRYPTED_KEY = 512
const NONCE_LENGTH = 12
const TAG_LENGTH = 16
const MAX_TEXT = 2 * MAX_HEADER_TEXT + Math.ceil(((MAX_PLAINTEXT_LENGTH + MAX_ENCRYPTED_KEY) * 4) / 3) + 1024

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** True for text that can be nothing else: five parts, or an object. */
export function looksLikeJwe(text: string): boolean {
  return text.startsWith('{') || (text.startsWith('ey') && text.split('.', 6).length === 5)
}

/** @throws TokenError `bad-token` */
export function parseJwe(text: string): Jwe {
  if (text.length > MAX_TEXT) throw refuse('it is too long')
  return text.startsWith('{') ? parseJson(text) : parseCompact(text)
}

function parseCompact(text: string): Jwe {
  const parts = text.split('.')
  if (parts.length !== 5) throw refuse('it does not have five parts')
  const [header, encryptedKey, iv, ciphertext, tag] = parts as [string, string, string, string, string]
  return assemble({ protected: header, encrypted_key: encryptedKey, iv, ciphertext, tag }, new Map())
}

function parseJson(text: string): Jwe {
  const members = parseJsonObject(text, MAX_JSON_DEPTH)
  if (!members) throw refuse('it is not an object with different members')
  const { recipients, encrypted_key, header, ...rest } = Object.fromEntries(members)
  if (recipients === undefined) return assemble({ ...rest, encrypted_key }, headerOf(header))
  const [recipient, ...others] = Array.isArray(recipients) ? recipients : []
  if (!isPlainObject(recipient) || others.length > 0) throw refuse('it does not have one recipient')
  if (encrypted_key !== undefined || header !== undefined) throw refuse('it is of two forms')
  const { header: own, encrypted_key: key, ...unknown } = recipient
  if (Object.keys(unknown).length > 0) throw refuse('its recipient has an unknown member')
  return assemble({ ...rest, encrypted_key: key }, headerOf(own))
}

function headerOf(value: unknown): ReadonlyMap<string, unknown> {
  if (value === undefined) return new Map()
  if (!isPlainObject(value)) throw refuse('its header is not an object')
  return new Map(Object.entries(value))
}

function assemble(members: Record<string, unknown>, beside: ReadonlyMap<string, unknown>): Jwe {
  const { protected: header, encrypted_key = '', iv, ciphertext, tag, aad, ...unknown } = members
  if (Object.keys(unknown).length > 0) throw refuse('it has an unknown member')
  if (typeof header !== 'string' || header.length > MAX_HEADER_TEXT) throw refuse('its header is too long')
  const encryptedKey = decode(encrypted_key)
  const nonce = decode(iv)
  const body = decode(ciphertext)
  const end = decode(tag)
  if (nonce.length !== NONCE_LENGTH || end.length !== TAG_LENGTH)
    throw refuse('nonce or tag has another length')
  if (body.length > MAX_PLAINTEXT_LENGTH || encryptedKey.length > MAX_ENCRYPTED_KEY)
    throw refuse('it is too long')
  const read = readJweHeader(protectedHeader(header), beside)
  if ((read.alg === 'ECDH-ES') !== (encryptedKey.length === 0))
    throw refuse('its encrypted key is not what the algorithm has')
  // RFC 7516 §5.1 step 14.
  const covered = aad === undefined ? header : `${header}.${decodable(aad)}`
  return { ...read, encryptedKey, nonce, ciphertext: concat(body, end), aad: encoder.encode(covered) }
}

function protectedHeader(text: string): ReadonlyMap<string, unknown> {
  const members = parseJsonObject(utf8(decode(text)), MAX_HEADER_DEPTH)
  if (!members) throw refuse('its header is not an object with different members')
  return members
}

function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw refuse('its header is not utf-8')
  }
}

function decode(text: unknown): Uint8Array {
  const bytes = typeof text === 'string' ? fromBase64url(text) : null
  if (!bytes) throw refuse('a part is not base64url')
  return bytes
}

function decodable(text: unknown): string {
  decode(text)
  return text as string
}

function refuse(why: string): TokenError {
  return new TokenError(`this is no jwe that can be opened: ${why}`)
}
