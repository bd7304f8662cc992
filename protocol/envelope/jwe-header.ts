/**
 * What the header of a JWE may say (RFC 7516 §4, RFC 7518 §4.6.1): an allow-list of members and of their values. Whatever could
 * make opening cost more than one operation with the key, or name a key that is not the appliance's, is not on it.
 */

import { fromBase64url } from '../bytes.ts'
import { isName, MAX_RECORD_LENGTH } from './context.ts'
import { TokenError } from './errors.ts'
import { isPlainObject } from './strict-json.ts'

export const JWE_ALGORITHMS = ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'] as const
export type JweKeyAlgorithm = (typeof JWE_ALGORITHMS)[number]

export const JWE_CONTENT_KEY_LENGTHS = { A256GCM: 32, A128GCM: 16 } as const
export type JweContentEncryption = keyof typeof JWE_CONTENT_KEY_LENGTHS

/** An ephemeral public key, serialized as RFC 9180 §7.1.1 does. */
export interface EphemeralKey {
  readonly kem: 'x25519' | 'p256'
  readonly bytes: Uint8Array
}

/** A header that is understood. */
export interface JweHeader {
  readonly alg: JweKeyAlgorithm
  readonly enc: JweContentEncryption
  /** There for `ECDH-ES`, and only there. */
  readonly epk: EphemeralKey | null
  readonly apu: Uint8Array
  readonly apv: Uint8Array
  readonly kid: string | null
  /** Where it belongs; `null` for one that is bound to no place. */
  readonly clv: { readonly field: string; readonly record: string } | null
}

type Members = ReadonlyMap<string, unknown>

/** Members that must be under the tag. */
const PROTECTED_ONLY = ['enc', 'crit', 'clv', 'typ', 'cty']
/** Members that a library may put beside the encrypted key instead, as some do in the JSON form. */
const ANYWHERE = ['alg', 'kid', 'epk', 'apu', 'apv']
const MAX_TEXT = 256
const MAX_PARTY_LENGTH = 128

/**
 * @param shown - the protected header
 * @param beside - the recipient's own header, in the JSON form
 * @throws TokenError `bad-token`
 */
export function readJweHeader(shown: Members, beside: Members): JweHeader {
  for (const name of shown.keys())
    if (!PROTECTED_ONLY.includes(name) && !ANYWHERE.includes(name)) throw refuse(`the header has '${name}'`)
  for (const name of beside.keys())
    if (!ANYWHERE.includes(name) || shown.has(name)) throw refuse(`'${name}' is not in its place`)
  const get = (name: string) => shown.get(name) ?? beside.get(name)
  const alg = JWE_ALGORITHMS.find(known => known === get('alg'))
  const enc = get('enc')
  if (!alg) throw refuse('the algorithm is not one of those that are opened')
  if (enc !== 'A256GCM' && enc !== 'A128GCM')
    throw refuse('the content encryption is neither A256GCM nor A128GCM')
  for (const name of ['kid', 'typ', 'cty']) checkText(get(name))
  checkCritical(shown)
  const agrees = alg !== 'RSA-OAEP-256'
  if (!agrees && ['epk', 'apu', 'apv'].some(name => get(name) !== undefined))
    throw refuse('RSA-OAEP-256 has no ephemeral key')
  return {
    alg,
    enc,
    epk: agrees ? readEphemeral(get('epk')) : null,
    apu: readParty(get('apu')),
    apv: readParty(get('apv')),
    kid: (get('kid') as string | undefined) ?? null,
    clv: readPlace(shown.get('clv')),
  }
}

/** RFC 7516 §4.1.13: all that is critical must be understood, and there. Nothing but `clv` is an extension here. */
function checkCritical(shown: Members): void {
  if (!shown.has('crit')) return
  const critical = shown.get('crit')
  if (!Array.isArray(critical) || critical.length !== 1 || critical[0] !== 'clv' || !shown.has('clv'))
    throw refuse('the header calls something critical that is not understood')
}

function readPlace(value: unknown): JweHeader['clv'] {
  if (value === undefined) return null
  const { field, record, ...rest } = isPlainObject(value) ? value : {}
  if (!isName(field) || typeof record !== 'string' || record.length > MAX_RECORD_LENGTH || hasMembers(rest))
    throw refuse('its member clv is not {field, record}')
  return { field, record }
}

/** RFC 7518 §4.6.1.1, RFC 8037 §2: the public members and no others. */
function readEphemeral(value: unknown): EphemeralKey {
  const { kty, crv, x, y, ...rest } = isPlainObject(value) ? value : {}
  const xs = coordinate(x)
  if (xs && !hasMembers(rest)) {
    if (kty === 'OKP' && crv === 'X25519' && y === undefined) return { kem: 'x25519', bytes: xs }
    const ys = coordinate(y)
    if (kty === 'EC' && crv === 'P-256' && ys)
      return { kem: 'p256', bytes: Uint8Array.from([0x04, ...xs, ...ys]) }
  }
  throw refuse('the ephemeral key is not one of X25519 or P-256')
}

function coordinate(value: unknown): Uint8Array | null {
  const bytes = typeof value === 'string' && value.length === 43 ? fromBase64url(value) : null
  return bytes?.length === 32 ? bytes : null
}

function readParty(value: unknown): Uint8Array {
  if (value === undefined) return new Uint8Array()
  const bytes = typeof value === 'string' && value.length <= MAX_TEXT ? fromBase64url(value) : null
  if (!bytes || bytes.length > MAX_PARTY_LENGTH) throw refuse('its members apu and apv are not base64url')
  return bytes
}

function checkText(value: unknown): void {
  if (value !== undefined && (typeof value !== 'string' || value.length > MAX_TEXT))
    throw refuse('a member of the header is not text')
}

function hasMembers(value: object): boolean {
  return Object.keys(value).length > 0
}

function refuse(why: string): TokenError {
  return new TokenError(`this is no jwe that can be opened: ${why}`)
}
