/**
 * `provision.json`: what the administrator put on the card when it was flashed. Read while the device is
 * unprovisioned, ignored ever after.
 */
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fromBase64url } from '../protocol/bytes.ts'
import { readCertificate, type Subject, spkiPin } from '../protocol/identity/certificate.ts'

/** The parts of the file that keeper and gate use. */
export interface Provision {
  /** Name of the device, for people. */
  name: string
  /** The first administrator's self-signed certificate, DER. */
  administrator: Uint8Array
  /** Its subject and public key. */
  subject: Subject
  publicKey: KeyObject
  /** Pin of its key, 32 bytes. */
  pin: Uint8Array
  /** Claim secret, 32 bytes. */
  claim: Uint8Array
}

/**
 * @returns the file's contents, or `null` where there is no such file
 * @throws Error that says what is wrong with the file
 */
export async function readProvision(path: string): Promise<Provision | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return text === null ? null : parseProvision(text)
}

/** Parses `provision.json`; see {@link readProvision}. */
export function parseProvision(text: string): Provision {
  const value = parseJson(text)
  const { name, administrator, claim } = value
  if (typeof name !== 'string' || name.length === 0 || name.length > 64)
    throw new Error('provision.json: "name" must be a text of 1 to 64 characters')
  const certificate = typeof administrator === 'string' ? fromBase64url(administrator) : null
  const secret = typeof claim === 'string' ? fromBase64url(claim) : null
  if (!certificate) throw new Error('provision.json: "administrator" must be a certificate in base64url')
  if (secret?.length !== 32) throw new Error('provision.json: "claim" must be 32 bytes in base64url')
  const { certificate: read, subject } = readCertificate(certificate)
  const { publicKey } = read
  return { name, administrator: certificate, subject, publicKey, pin: spkiPin(publicKey), claim: secret }
}

function parseJson(text: string): Record<string, unknown> {
  if (text.length > 65_536) throw new Error('provision.json is larger than 64 KiB')
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {}
  throw new Error('provision.json is not a JSON object')
}
