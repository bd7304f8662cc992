/**
 * X.509 certificates of Claviger (RFC 5280): P-256, ECDSA with SHA-256, one name form.
 *
 * A subject is `O = namespace, OU = role, CN = name`. Certificates do not expire (`99991231235959Z`, RFC 5280
 * §4.1.2.5): the appliance has no clock it can trust before it is unlocked, and the registry, not a date, ends an
 * agent's rights. We only write certificates; reading and verifying is OpenSSL's.
 */
import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { ClavigerError } from '../api/errors.ts'
import { bits, boolean, der, integer, octets, oid, sequence, set, time, utf8 } from './der.ts'

/** What a certificate says about its holder. */
export interface Subject {
  /** The namespace: one shop. */
  namespace: string
  /** A role, or `authority`, `device`, `invitation` for the certificates that are no agent's. */
  role: string
  /** The name within the namespace. */
  name: string
}

/** A certificate that cannot be used: code `bad-certificate`. */
export class CertificateError extends ClavigerError {}

const NOT_BEFORE = time(new Date('2020-01-01T00:00:00Z'))
const NOT_AFTER = time(new Date('9999-12-31T23:59:59Z'))
const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

function attribute(type: string, value: string): Uint8Array {
  return set(sequence(oid(type), utf8(value)))
}

function distinguishedName({ namespace, role, name }: Subject): Uint8Array {
  return sequence(attribute('2.5.4.10', namespace), attribute('2.5.4.11', role), attribute('2.5.4.3', name))
}

function extension(type: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical ? sequence(oid(type), boolean(true), octets(value)) : sequence(oid(type), octets(value))
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the public point. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65)
  return createHash('sha256').update(point).digest().subarray(0, 20)
}

/**
 * RFC 5280 §4.2.1: an issuer may only sign certificates, a leaf may only sign handshakes. The path length of 0 keeps the
 * holder of an invitation from making an authority of his own below it.
 */
function extensions(publicKey: KeyObject, issuerKey: KeyObject, authority: boolean): Uint8Array {
  const keyUsage = authority ? bits(Uint8Array.of(0x04), 2) : bits(Uint8Array.of(0x80), 7)
  return der(
    0xa3,
    sequence(
      extension(
        '2.5.29.19',
        true,
        authority ? sequence(boolean(true), integer(Uint8Array.of(0))) : sequence(),
      ),
      extension('2.5.29.15', true, keyUsage),
      extension('2.5.29.14', false, octets(keyIdentifier(publicKey))),
      extension('2.5.29.35', false, sequence(der(0x80, keyIdentifier(issuerKey)))),
    ),
  )
}

/**
 * Issues a certificate for a P-256 public key.
 *
 * @param issuer - who signs: its name and its private key; for a self-signed certificate the subject's own
 * @param authority - true for a certificate that may sign others (our CA, an invitation)
 * @returns DER bytes
 */
export function issueCertificate(
  subject: Subject,
  publicKey: KeyObject,
  issuer: { subject: Subject; privateKey: KeyObject },
  authority = false,
): Uint8Array {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const body = sequence(
    der(0xa0, integer(Uint8Array.of(2))),
    integer(serial),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer.subject),
    sequence(NOT_BEFORE, NOT_AFTER),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions(publicKey, createPublicKey(issuer.privateKey), authority),
  )
  return sequence(body, ECDSA_WITH_SHA256, bits(sign('sha256', body, issuer.privateKey)))
}

/** A self-signed certificate over the key pair of `privateKey`. */
export function selfSigned(subject: Subject, privateKey: KeyObject, authority = false): Uint8Array {
  return issueCertificate(subject, createPublicKey(privateKey), { subject, privateKey }, authority)
}

/**
 * Reads a certificate's subject in our name form.
 *
 * @throws CertificateError `bad-certificate` when the bytes are no certificate, or its names are not ours
 */
export function readCertificate(bytes: Uint8Array): { certificate: X509Certificate; subject: Subject } {
  let certificate: X509Certificate
  let key: KeyObject
  try {
    certificate = new X509Certificate(bytes)
    // Throws where the certificate is whole but its key is no point of the curve.
    key = certificate.publicKey
  } catch (cause) {
    throw new CertificateError('bad-certificate', 'this is not an X.509 certificate', { cause })
  }
  const subject = subjectOf(certificate.subject)
  if (!subject || key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new CertificateError('bad-certificate', 'the certificate is not one of a claviger agent')
  return { certificate, subject }
}

/**
 * Reads our name form from the text that `X509Certificate` gives for a subject or an issuer.
 *
 * @returns `null` for a name of another form
 */
export function subjectOf(text: string): Subject | null {
  const found = /^O=([^\n]{1,64})\nOU=([^\n]{1,64})\nCN=([^\n]{1,64})$/.exec(text)
  return found ? { namespace: found[1]!, role: found[2]!, name: found[3]! } : null
}

/** The pin of a public key: SHA-256 over its SubjectPublicKeyInfo (RFC 7469 §2.4), 32 bytes. */
export function spkiPin(key: KeyObject): Uint8Array {
  return new Uint8Array(
    createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest(),
  )
}

/** DER to PEM, for TLS options and files. */
export function toPem(certificate: Uint8Array): string {
  return new X509Certificate(certificate).toString()
}
