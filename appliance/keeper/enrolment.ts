/** Certificates that the keeper issues, and the proof that an invited machine holds its invitation. */
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Role } from '../../protocol/api/routes.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import {
  issueCertificate,
  readCertificate,
  type Subject,
  selfSigned,
  spkiPin,
} from '../../protocol/identity/certificate.ts'
import { invitationSubject } from '../../protocol/identity/invitation.ts'
import { AUTHORITY } from '../standing.ts'
import type { Issued } from './rpc/messages.ts'

/** An enrolment that was refused: `invitation-refused`, `bad-certificate`. */
export class EnrolmentError extends ClavigerError {}

/** Name of the authority's certificate. */
export function authoritySubject(namespace: string): Subject {
  return { namespace, role: AUTHORITY, name: 'claviger' }
}

/** A new authority: its private key as PKCS#8 (the caller zeroes it) and its self-signed certificate, DER. */
export function makeAuthority(namespace: string): {
  pkcs8: Uint8Array
  privateKey: KeyObject
  certificate: Uint8Array
} {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = selfSigned(authoritySubject(namespace), privateKey, true)
  return { pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }), privateKey, certificate }
}

/** A new invitation: its one-time secret (32 bytes, told once) and the certificate that the keeper keeps. */
export function makeInvitation(
  namespace: string,
  name: string,
): { secret: Uint8Array; certificate: Uint8Array } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const secret = fromBase64url(privateKey.export({ format: 'jwk' }).d!)!
  return { secret, certificate: selfSigned(invitationSubject(namespace, name), privateKey, true) }
}

/**
 * Checks that a machine's certificate was signed with the invitation's secret. The gate has checked it in the handshake;
 * the keeper does not take its word.
 *
 * @param pin - of the caller, as the gate tells
 * @returns the public key to enrol
 * @throws EnrolmentError `invitation-refused` or `bad-certificate`
 */
export function invitedKey(certificate: Uint8Array, pin: Uint8Array, invitation: Uint8Array): KeyObject {
  const { certificate: shown } = readCertificate(certificate)
  const key = shown.publicKey
  if (Buffer.compare(spkiPin(key), pin) !== 0) throw new EnrolmentError('bad-certificate')
  if (!shown.verify(new X509Certificate(invitation).publicKey)) throw new EnrolmentError('invitation-refused')
  return key
}

/** Signs an agent's certificate. */
export function issue(
  namespace: string,
  role: Role,
  name: string,
  publicKey: KeyObject,
  authority: { privateKey: KeyObject; certificate: Uint8Array },
  logKey: string,
): Issued {
  const issuer = { subject: authoritySubject(namespace), privateKey: authority.privateKey }
  const certificate = issueCertificate({ namespace, role, name }, publicKey, issuer)
  return { certificate, authority: authority.certificate, logKey, name, namespace, role }
}
