/**
 * How a private key is handed in, so that nobody on the way reads it, not even the process that faces the wires
 * (docs/formats/envelope.md, "Handing in a key"): the key process makes a key pair for this once, signs it with the key of
 * its log, which the administrator's machine pinned, and is sent the private key sealed to it.
 */

import { type KeyObject, sign, verify } from 'node:crypto'
import { concat } from '../bytes.ts'
import { encodeCbor } from '../cbor.ts'
import { KeyError, OpenError } from './errors.ts'
import { FIELD_HPKE } from './field.ts'
import type { FieldPrivateKey } from './keys.ts'
import type { LegacyForm } from './legacy.ts'

/** What the key process offers. */
export interface Ticket {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 by the key of the log, 64 bytes. */
  readonly signature: Uint8Array
}

/** What is said with the key, and cannot be changed on the way. */
export interface HandedIn extends LegacyForm {
  readonly name: string
}

/** A NUL ends it: no note that the log signs has one. */
const LABEL = new TextEncoder().encode('claviger/import/v1\0')
const PUBLIC_KEY_LENGTH = 32
const HPKE = FIELD_HPKE.x

/** @param logKey - private, Ed25519 */
export function makeTicket(namespace: string, publicKey: Uint8Array, logKey: KeyObject): Ticket {
  return { publicKey, signature: Uint8Array.from(sign(null, signedBytes(namespace, publicKey), logKey)) }
}

/**
 * Seals a private key to a ticket. The caller zeroes `pkcs8`.
 * @param logKey - public, as it was pinned
 * @returns `enc ‖ ct`
 * @throws KeyError `bad-key` for a ticket that the log's key did not sign
 */
export function sealToTicket(
  namespace: string,
  { publicKey, signature }: Ticket,
  logKey: KeyObject,
  what: HandedIn,
  pkcs8: Uint8Array,
): Uint8Array {
  if (
    publicKey.length !== PUBLIC_KEY_LENGTH ||
    !verify(null, signedBytes(namespace, publicKey), logKey, signature)
  )
    throw new KeyError('what the device offers to seal the key to is not signed by the key of its log')
  const { enc, ciphertext } = HPKE.seal(publicKey, LABEL, aadOf(what), pkcs8)
  return concat(enc, ciphertext)
}

/**
 * Opens what was sealed to a ticket. The caller zeroes what it returns.
 * @throws OpenError `open-failed`
 */
export function openHandedIn(privateKey: FieldPrivateKey, what: HandedIn, sealed: Uint8Array): Uint8Array {
  if (sealed.length < PUBLIC_KEY_LENGTH) throw new OpenError()
  const [enc, ciphertext] = [sealed.subarray(0, PUBLIC_KEY_LENGTH), sealed.subarray(PUBLIC_KEY_LENGTH)]
  return HPKE.open(privateKey.main, enc, LABEL, aadOf(what), ciphertext)
}

/** The namespace holds no NUL, so its end is known. */
function signedBytes(namespace: string, publicKey: Uint8Array): Uint8Array {
  return concat(LABEL, new TextEncoder().encode(`${namespace}\0`), publicKey)
}

/** A character set is named only where it is another than UTF-8, and a binding only where there is one. */
function aadOf(what: HandedIn): Uint8Array {
  const { name, padding, label = '', separator, fields, charset = 'utf-8', bound = false } = what
  const form = { name, padding, label, separator, fields: [...fields] }
  return encodeCbor({ ...form, ...(charset === 'utf-8' ? {} : { charset }), ...(bound ? { bound } : {}) })
}
