/**
 * Private keys as bytes, for the moments between a key file and the KeyObjects; and their CBOR, which is what the file seals
 * (docs/formats/key-file.md, "Keys"). Whoever holds them zeroes them.
 */
import { type Cbor, decodeCanonicalCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import { generatePrivateKey } from '../../../protocol/envelope/keys.ts'
import { isSuiteLetter, type SuiteLetter } from '../../../protocol/envelope/suites.ts'
import { SourceError } from './source.ts'

/** A version of a key. */
export interface StoredVersion {
  version: number
  /** Seconds since 1970. */
  created: number
  pkcs8: Uint8Array
}

/** A key with its versions, oldest first. */
export interface StoredKey {
  name: string
  suite: SuiteLetter
  versions: StoredVersion[]
}

/** All that a key file holds. */
export interface KeyRing {
  namespace: string
  keys: StoredKey[]
}

export const MAX_KEYS = 64
export const MAX_VERSIONS = 256
/** PKCS#8 of a field suite has at most 138 bytes. */
const MAX_PKCS8 = 256
const MAX_DEPTH = 6

/** @returns bytes that are the caller's to zero */
export function encodeRing({ namespace, keys }: KeyRing): Uint8Array {
  return encodeCbor({ namespace, keys: keys as unknown as Cbor })
}

/**
 * @param bytes - the byte strings of the result are copies of it, or views
 * @throws Error of any kind for what {@link encodeRing} would not write; callers give it their own code
 */
export function decodeRing(bytes: Uint8Array): KeyRing {
  const ring = decodeCanonicalCbor(bytes, MAX_DEPTH)
  if (!isMapOf(ring, ['keys', 'namespace']) || !isName(ring.namespace))
    throw new TypeError('not a ring of keys')
  const { namespace, keys } = ring
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS || !keys.every(isKey))
    throw new TypeError('not the keys of a ring')
  if (new Set(keys.map(({ name }) => name)).size !== keys.length) throw new TypeError('a key is there twice')
  return { namespace, keys }
}

function isKey(value: unknown): value is StoredKey {
  if (!isMapOf(value, ['name', 'suite', 'versions'])) return false
  const { name, suite, versions } = value
  if (!isName(name) || typeof suite !== 'string' || !isSuiteLetter(suite) || !Array.isArray(versions))
    return false
  // Numbered from 1 without a gap: the newest is the last, and none was used for two keys.
  return (
    versions.length >= 1 &&
    versions.length <= MAX_VERSIONS &&
    versions.every((each, i) => isVersion(each) && each.version === i + 1)
  )
}

function isVersion(value: unknown): value is StoredVersion {
  if (!isMapOf(value, ['created', 'pkcs8', 'version'])) return false
  const { version, created, pkcs8 } = value
  return (
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(created) &&
    (created as number) >= 0 &&
    pkcs8 instanceof Uint8Array &&
    pkcs8.length <= MAX_PKCS8
  )
}

function isMapOf(value: unknown, names: readonly string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return false
  return Object.keys(value).sort().join() === names.join()
}

/**
 * Adds a new key with its first version.
 * @throws SourceError `key-exists`, `bad-source` when the ring is full
 */
export function createKey(ring: KeyRing, name: string, suite: SuiteLetter, now: number): void {
  if (ring.keys.some(key => key.name === name))
    throw new SourceError('key-exists', `there is a key named ${name} already`)
  if (ring.keys.length >= MAX_KEYS)
    throw new SourceError('bad-source', `a key file holds at most ${MAX_KEYS} keys`)
  ring.keys.push({
    name,
    suite,
    versions: [{ version: 1, created: now, pkcs8: generatePrivateKey(suite).pkcs8 }],
  })
}

/**
 * Adds a version; older ones still open.
 * @throws SourceError `unknown-key`, `bad-source` when there are too many versions
 */
export function rotateKey(ring: KeyRing, name: string, now: number): void {
  const key = ring.keys.find(each => each.name === name)
  if (!key) throw new SourceError('unknown-key', `there is no key named ${name} in the file`)
  if (key.versions.length >= MAX_VERSIONS)
    throw new SourceError('bad-source', `a key has at most ${MAX_VERSIONS} versions`)
  const version = key.versions.length + 1
  key.versions.push({ version, created: now, pkcs8: generatePrivateKey(key.suite).pkcs8 })
}

export function zeroRing({ keys }: KeyRing): void {
  for (const { versions } of keys) for (const { pkcs8 } of versions) pkcs8.fill(0)
}
