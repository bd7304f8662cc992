/**
 * The file key in a stanza of age (c2sp.org/age): types `X25519`, `mlkem768x25519` and `p256tag`. The last two are HPKE; all three
 * hold 16 bytes, and a body of any other length is refused before a key is tried.
 */

import { createHmac, hash, hkdfSync, timingSafeEqual } from 'node:crypto'
import { concat } from '../../bytes.ts'
import { aeadOpen } from '../aead-node.ts'
import { OpenError, TokenError } from '../errors.ts'
import { ascii, EMPTY } from '../hpke.ts'
import { type NodeHpke, nodeHpke } from '../hpke-node.ts'
import { agree } from '../kem-node.ts'
import type { FieldPrivateKey } from '../keys.ts'
import type { SuiteLetter } from '../suites.ts'
import { compressP256 } from './recipient.ts'
import { decodeBase64, type Stanza } from './stanza.ts'

export type AgeType = 'X25519' | 'p256tag' | 'mlkem768x25519'

/** A stanza of a type that is opened here. */
export interface AgeStanza {
  readonly type: AgeType
  /** Ephemeral public key, or encapsulated key. */
  readonly share: Uint8Array
  /** Of `p256tag`: which key it is for, 4 bytes. */
  readonly tag: Uint8Array | null
  /** File key and tag. */
  readonly body: Uint8Array
}

/** The suite of the keys that each type is for. */
export const AGE_SUITES: Readonly<Record<AgeType, SuiteLetter>> = {
  X25519: 'x',
  p256tag: 'p',
  mlkem768x25519: 'q',
}

/** Bytes of a file key. */
export const FILE_KEY_LENGTH = 16

const BODY_LENGTH = FILE_KEY_LENGTH + 16
const TAG_LENGTH = 4
const SHARE_LENGTHS: Readonly<Record<AgeType, number>> = { X25519: 32, p256tag: 65, mlkem768x25519: 1120 }
/** Each wrap key is used once. */
export const AGE_NONCE = new Uint8Array(12)

/** What binds a wrapped file key to its type. */
export const AGE_INFOS: Readonly<Record<AgeType, Uint8Array>> = {
  X25519: ascii('age-encryption.org/v1/X25519'),
  p256tag: ascii('age-encryption.org/p256tag'),
  mlkem768x25519: ascii('age-encryption.org/mlkem768x25519'),
}

/** Of the types that are HPKE. */
export const AGE_HPKES: Readonly<Record<Exclude<AgeType, 'X25519'>, NodeHpke>> = {
  p256tag: nodeHpke({ kem: 'p256', aead: 'chacha20-poly1305' }),
  mlkem768x25519: nodeHpke({ kem: 'xwing', aead: 'chacha20-poly1305' }),
}

/**
 * @returns `null` for a stanza of another type, which is for somebody else
 * @throws TokenError `bad-token` for one of a type that is opened, but malformed
 */
export function readAgeStanza({ args, body }: Stanza): AgeStanza | null {
  const [type, ...rest] = args
  if (!Object.hasOwn(AGE_SUITES, type)) return null
  const known = type as AgeType
  const [share, tag, ...others] = rest.map(decodeBase64).reverse()
  const tagged = known === 'p256tag'
  if (
    share?.length !== SHARE_LENGTHS[known] ||
    (tagged ? tag?.length !== TAG_LENGTH : tag !== undefined) ||
    others.length > 0 ||
    body.length !== BODY_LENGTH
  )
    throw new TokenError(`the stanza is not one of type ${known}`)
  return { type: known, share, tag: tag ?? null, body }
}

/**
 * Whether a stanza may be for a key, as far as can be told without opening it: by its type, and where it has one by its tag.
 * @param publicKey - serialized as RFC 9180 §7.1.1 says
 */
export function isMeantFor(
  { type, tag, share }: AgeStanza,
  suite: SuiteLetter,
  publicKey: Uint8Array,
): boolean {
  if (AGE_SUITES[type] !== suite) return false
  return tag === null || timingSafeEqual(ageTag(share, publicKey), tag)
}

/** What says in a stanza of `p256tag` which key it is for (c2sp.org/age, "The p256tag recipient type"), 4 bytes. */
export function ageTag(share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const recipient = hash('sha256', compressP256(publicKey), 'buffer').subarray(0, TAG_LENGTH)
  // HKDF-Extract is HMAC under the salt.
  const extracted = createHmac('sha256', AGE_INFOS.p256tag).update(concat(share, recipient)).digest()
  return extracted.subarray(0, TAG_LENGTH)
}

/**
 * The file key. The caller zeroes it.
 * @throws OpenError `open-failed`, with nothing that tells why
 */
export function openAgeStanza(privateKey: FieldPrivateKey, { type, share, body }: AgeStanza): Uint8Array {
  if (type === 'X25519') return openX25519(privateKey, share, body)
  return AGE_HPKES[type].open(privateKey.main, share, AGE_INFOS[type], EMPTY, body)
}

function openX25519({ main, publicKey }: FieldPrivateKey, share: Uint8Array, body: Uint8Array): Uint8Array {
  let wrapKey: Uint8Array | undefined
  try {
    if (main.kem !== 'x25519') throw new TypeError('the stanza is for a key of another kind')
    wrapKey = ageWrapKey(agree(main, share), share, publicKey)
    return aeadOpen('chacha20-poly1305', wrapKey, AGE_NONCE, EMPTY, body)
  } catch (cause) {
    throw new OpenError({ cause })
  } finally {
    wrapKey?.fill(0)
  }
}

/**
 * The key that a file key is wrapped with for `X25519` (c2sp.org/age, "The X25519 recipient type"), 32 bytes.
 * @param secret - what the two keys agree on; it is zeroed
 */
export function ageWrapKey(secret: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(hkdfSync('sha256', secret, concat(share, publicKey), AGE_INFOS.X25519, 32))
  } finally {
    secret.fill(0)
  }
}
