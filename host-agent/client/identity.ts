/** A host agent's own identity: a P-256 key made on this machine, and the certificate that goes with it. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { issueCertificate, type Subject, selfSigned, toPem } from '../../protocol/identity/certificate.ts'
import { type Invitation, invitationKey, invitationSubject } from '../../protocol/identity/invitation.ts'

/** What a TLS client shows. */
export interface Credentials {
  /** PKCS#8, PEM. */
  key: string
  /** X.509, PEM. */
  certificate: string
}

/** A new key for an agent. */
export function makeKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string

/** The identity of a first administrator, whose certificate goes onto the card. */
export function administratorCredentials(namespace: string, name: string): Credentials & { der: Uint8Array } {
  const key = makeKey()
  const der = selfSigned({ namespace, role: 'administrator', name }, key)
  return { key: pemOf(key), certificate: toPem(der), der }
}

/** A key of this machine with a certificate that the invitation's secret signed: it opens the door to `enrol` only. */
export function invitedCredentials(invitation: Invitation): Credentials {
  const key = makeKey()
  const { namespace, name, role } = invitation
  const subject: Subject = { namespace, role, name }
  const issuer = { subject: invitationSubject(namespace, name), privateKey: invitationKey(invitation.secret) }
  return { key: pemOf(key), certificate: toPem(issueCertificate(subject, createPublicKey(key), issuer)) }
}
