/**
 * `provision.json`: what the administrator put on the card when it was flashed. A namespace is
 * provisioned from it once, and ignores it ever after.
 */
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fromBase64url } from '../protocol/bytes.ts'
import { readCertificate, type Subject, spkiPin } from '../protocol/identity/certificate.ts'

/** What the file tells of the device. */
export interface Card {
  /** Name of the device, for people. */
  name: string
  /** Claim secret, 32 bytes. */
  claim: Uint8Array
  /** The first administrator of each namespace. */
  namespaces: ReadonlyMap<string, Provision>
}

/** The first administrator of a namespace. */
export interface Provision {
  /** Its self-signed certificate, DER. */
  administrator: Uint8Array
  /** Its subject and public key. */
  subject: Subject
  publicKey: KeyObject
  /** Pin of its key, 32 bytes. */
  pin: Uint8Array
}

/** Names of namespaces have no dots: in the directory of keystores, names with one are of the files beside them. */
const NAMESPACE = /^[a-z0-9][a-z0-9-]{0,31}$/
const MAX_NAMESPACES = 64

/**
 * @returns the file's contents, or `null` where there is no such file
 * @throws Error that says what is wrong with the file
 */
export async function readProvision(path: string): Promise<Card | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return text === null ? null : parseProvision(text)
}

/** Parses `provision.json`; see {@link readProvision}. */
export function parseProvision(text: string): Card {
  const { name, administrator, namespaces, claim } = parseJson(text)
  if (typeof name !== 'string' || name.length === 0 || name.length > 64)
    throw new Error('provision.json: "name" must be a text of 1 to 64 characters')
  const secret = typeof claim === 'string' ? fromBase64url(claim) : null
  if (secret?.length !== 32) throw new Error('provision.json: "claim" must be 32 bytes in base64url')
  if (namespaces === undefined)
    return { name, claim: secret, namespaces: new Map([['default', readAdministrator(administrator)]]) }
  if (!Array.isArray(namespaces) || namespaces.length === 0 || namespaces.length > MAX_NAMESPACES)
    throw new Error(`provision.json: "namespaces" must be a list of 1 to ${MAX_NAMESPACES}`)
  const read = new Map(namespaces.map(readNamespace))
  if (read.size < namespaces.length) throw new Error('provision.json: a namespace is listed twice')
  return { name, claim: secret, namespaces: read }
}

function readNamespace(value: unknown): [string, Provision] {
  const { namespace, administrator } = (value ?? {}) as Record<string, unknown>
  if (typeof namespace !== 'string' || !NAMESPACE.test(namespace))
    throw new Error('provision.json: a namespace has 1 to 32 of a-z, 0-9 and hyphen')
  const provision = readAdministrator(administrator)
  if (provision.subject.namespace !== namespace)
    throw new Error(`provision.json: the administrator of ${namespace} is of another namespace`)
  return [namespace, provision]
}

function readAdministrator(text: unknown): Provision {
  const administrator = typeof text === 'string' ? fromBase64url(text) : null
  if (!administrator) throw new Error('provision.json: "administrator" must be a certificate in base64url')
  const { certificate, subject } = readCertificate(administrator)
  const { publicKey } = certificate
  return { administrator, subject, publicKey, pin: spkiPin(publicKey) }
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
