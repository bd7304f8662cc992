/**
 * Invitations: `clvi1.` and base64url of canonical CBOR, one line that an administrator copies to a workstation.
 *
 * The one-time secret is a P-256 private key. The appliance keeps only the invitation's certificate and trusts it as
 * a TLS issuer until it is used or expires; the invited machine signs a certificate for its own new key with the
 * secret and shows that in the handshake. So the secret never crosses the wire, and a stranger without an invitation
 * does not get past TLS.
 */
import { createECDH, createPrivateKey, type KeyObject } from 'node:crypto'
import { ClavigerError } from '../api/errors.ts'
import { fromBase64url, toBase64url } from '../bytes.ts'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import type { Subject } from './certificate.ts'

/** What an invitation holds. */
export interface Invitation {
  /** Where the appliance answers: `https://host:port` or `serial:/dev/…`; may be empty (then the user says). */
  addresses: string[]
  /** Pin of the device's public key, 32 bytes. */
  device: Uint8Array
  /** Whose certificate the invitation's holder may ask for. */
  namespace: string
  name: string
  role: string
  /** The invitation's private scalar on P-256, 32 bytes. */
  secret: Uint8Array
  /** Seconds since 1970. */
  expires: number
}

/** Text that is no invitation: code `bad-invitation`. */
export class InvitationError extends ClavigerError {}

const PREFIX = 'clvi1.'
const MAX_LENGTH = 4096

/** The subject of the certificate that an invitation's secret signs as. */
export function invitationSubject(namespace: string, name: string): Subject {
  return { namespace, role: 'invitation', name }
}

export function formatInvitation(invitation: Invitation): string {
  const { addresses, device, namespace, name, role, secret, expires } = invitation
  return PREFIX + toBase64url(encodeCbor({ addresses, device, namespace, name, role, secret, expires }))
}

/**
 * Reads an invitation; white space around and inside (a copied line break) is ignored.
 *
 * @throws InvitationError `bad-invitation`
 */
export function parseInvitation(text: string): Invitation {
  const line = text.length > MAX_LENGTH ? '' : text.replace(/\s+/g, '')
  const bytes = line.startsWith(PREFIX) ? fromBase64url(line.slice(PREFIX.length)) : null
  if (!bytes) throw broken()
  let value: unknown
  try {
    value = decodeCbor(bytes, 4)
  } catch (cause) {
    throw broken(cause)
  }
  if (!isInvitation(value)) throw broken()
  return value
}

function broken(cause?: unknown): InvitationError {
  return new InvitationError('bad-invitation', 'this is not an invitation, or a part of it is missing', {
    cause,
    hint: 'copy the whole line that starts with clvi1.',
  })
}

function isInvitation(value: unknown): value is Invitation {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const v = value as Record<string, unknown>
  const isText = (text: unknown) => typeof text === 'string' && text.length > 0 && text.length <= 255
  const isKey = (bytes: unknown) => bytes instanceof Uint8Array && bytes.length === 32
  return (
    Object.keys(v).length === 7 &&
    Array.isArray(v.addresses) &&
    v.addresses.length <= 8 &&
    v.addresses.every(isText) &&
    isKey(v.device) &&
    isKey(v.secret) &&
    isText(v.namespace) &&
    isText(v.name) &&
    isText(v.role) &&
    Number.isSafeInteger(v.expires) &&
    (v.expires as number) >= 0
  )
}

/**
 * The private key whose scalar is the invitation's secret.
 *
 * @throws InvitationError `bad-invitation` for a scalar outside of the group's order
 */
export function invitationKey(secret: Uint8Array): KeyObject {
  try {
    const ecdh = createECDH('prime256v1')
    ecdh.setPrivateKey(secret)
    const point = ecdh.getPublicKey()
    return createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'P-256',
        d: toBase64url(secret),
        x: toBase64url(point.subarray(1, 33)),
        y: toBase64url(point.subarray(33)),
      },
    })
  } catch (cause) {
    throw broken(cause)
  }
}
