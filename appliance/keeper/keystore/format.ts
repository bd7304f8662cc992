/**
 * The keystore file (docs/formats/keystore.md, "Layout"):
 * `"CLVKS1\n" ‖ u32be(header length) ‖ header ‖ nonce(12) ‖ AES-256-GCM-SIV(data key, state, aad = header)`.
 *
 * The header is readable without secrets and carries a checksum, so that damage is told from a wrong passphrase. The
 * checksum is not a signature: only opening the state authenticates the header.
 */

import { createHash } from 'node:crypto'
import { gcmsiv } from '@noble/ciphers/aes.js'
import { bytesOf, type CborValue, decodeCbor, encodeCbor, fieldsOf, textLike, uintIn } from './cbor.ts'
import { damaged, KeystoreError, malformed } from './errors.ts'
import { NONCE_BYTES, type Slot, slotFromCbor, slotToCbor, TAG_BYTES } from './slots.ts'

/** What can be read while the keystore is locked. */
export interface Header {
  namespace: string
  /** Grows by at least one with every write. */
  generation: number
  /** Grows when everything older must be refused. */
  epoch: number
  /** What must be readable while locked, e.g. the certificate of the enrolment authority. */
  public: ReadonlyMap<string, Uint8Array>
  slots: readonly Slot[]
}

/** A file whose shape has been checked. Its state and header are not authenticated yet. */
export interface KeystoreFile {
  header: Header
  headerBytes: Uint8Array
  nonce: Uint8Array
  sealed: Uint8Array
}

export const MAX_HEADER_BYTES = 65_536
export const MAX_FILE_BYTES = 16_777_216
const MAX_SLOTS = 64
const VERSION = 1
const MAGIC = Buffer.from('CLVKS1\n')
const PREFIX_BYTES = MAGIC.length + 4
const CHECK_BYTES = 32

const NAMESPACE = /^[a-z0-9][a-z0-9.-]{0,31}$/
/** Endings of the files that stand beside a keystore: a namespace that had one would collide with another's files. */
const RESERVED = /\.(new|previous|outgoing|tries|lock)$|\.lock\./
const PUBLIC_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/

/** @throws malformed-request unless the name can be a namespace and a file name */
export function assertNamespace(name: string): void {
  if (typeof name !== 'string' || !NAMESPACE.test(name) || RESERVED.test(name)) {
    throw malformed('the namespace is not allowed')
  }
}

/**
 * The whole file.
 *
 * @param nonce 12 fresh random bytes
 * @throws malformed-request for a header the reader would refuse
 * @throws too-large if the header or the file would be longer than a reader accepts
 */
export function sealFile(
  header: Header,
  dataKey: Uint8Array,
  state: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const size = state.length
  const fields = headerToCbor(header, size)
  fields.set('check', checksum(fields))
  const headerBytes = encodeCbor(fields)
  if (headerBytes.length > MAX_HEADER_BYTES) {
    throw new KeystoreError('too-large', 'the keystore header is too large')
  }
  if (PREFIX_BYTES + headerBytes.length + NONCE_BYTES + size + TAG_BYTES > MAX_FILE_BYTES) {
    throw new KeystoreError('too-large', 'the keystore state is too large')
  }
  const prefix = Buffer.alloc(PREFIX_BYTES)
  MAGIC.copy(prefix)
  prefix.writeUInt32BE(headerBytes.length, MAGIC.length)
  return Buffer.concat([prefix, headerBytes, nonce, gcmsiv(dataKey, nonce, headerBytes).encrypt(state)])
}

/**
 * Checks the shape of a file and reads its header, without any secret.
 *
 * @throws keystore-damaged
 */
export function parseFile(bytes: Uint8Array): KeystoreFile {
  if (bytes.length < PREFIX_BYTES || bytes.length > MAX_FILE_BYTES)
    throw damaged('the keystore has an odd size')
  if (MAGIC.compare(bytes, 0, MAGIC.length) !== 0) throw damaged('the file does not begin like a keystore')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length)
  if (length > MAX_HEADER_BYTES) throw damaged('the header is too long')
  const nonceAt = PREFIX_BYTES + length
  if (nonceAt + NONCE_BYTES + TAG_BYTES > bytes.length) throw damaged('the file is cut short')
  const headerBytes = bytes.slice(PREFIX_BYTES, nonceAt)
  const { header, stateLength } = headerFromCbor(decodeCbor(headerBytes))
  const sealed = bytes.slice(nonceAt + NONCE_BYTES)
  if (sealed.length !== stateLength + TAG_BYTES)
    throw damaged('the file is cut short or has bytes behind its end')
  return { header, headerBytes, nonce: bytes.slice(nonceAt, nonceAt + NONCE_BYTES), sealed }
}

/**
 * Opens the state; this authenticates the header too. The result is to be zeroed by the caller.
 *
 * @throws keystore-damaged if the state, the header or the key is not what was sealed
 */
export function openState(file: KeystoreFile, dataKey: Uint8Array): Uint8Array {
  try {
    return gcmsiv(dataKey, file.nonce, file.headerBytes).decrypt(file.sealed)
  } catch (cause) {
    throw damaged('the state does not open', cause)
  }
}

function headerToCbor(header: Header, stateLength: number): Map<string, CborValue> {
  assertNamespace(header.namespace)
  for (const name of header.public.keys()) {
    if (!PUBLIC_NAME.test(name)) throw malformed('the name of a public value is not allowed')
  }
  const ids = new Set(header.slots.map(slot => slot.id))
  if (ids.size < 1 || ids.size > MAX_SLOTS || ids.size !== header.slots.length) {
    throw malformed(`a keystore has 1 to ${MAX_SLOTS} slots of different ids`)
  }
  for (const number of [header.generation, header.epoch]) {
    if (!Number.isSafeInteger(number) || number < 0)
      throw malformed('the generation or epoch is not a number')
  }
  return new Map<string, CborValue>([
    ['version', VERSION],
    ['namespace', header.namespace],
    ['generation', header.generation],
    ['epoch', header.epoch],
    ['public', new Map(header.public)],
    ['slots', header.slots.map(slotToCbor)],
    ['stateLength', stateLength],
  ])
}

function headerFromCbor(value: CborValue): { header: Header; stateLength: number } {
  const names = ['version', 'namespace', 'generation', 'epoch', 'public', 'slots', 'stateLength', 'check']
  const [version, namespace, generation, epoch, publicValues, slots, stateLength, check] = fieldsOf(
    value,
    ...names,
  )
  uintIn(version, VERSION, VERSION)
  const unchecked = new Map(value as Map<string, CborValue>)
  unchecked.delete('check')
  if (Buffer.compare(bytesOf(check, CHECK_BYTES), checksum(unchecked)) !== 0) {
    throw damaged('the checksum of the header is wrong')
  }
  if (!(publicValues instanceof Map)) throw damaged('the public values are not a map')
  if (!Array.isArray(slots) || slots.length < 1 || slots.length > MAX_SLOTS) {
    throw damaged('the slots are not a list of an allowed length')
  }
  const header: Header = {
    namespace: textLike(namespace, NAMESPACE),
    generation: uintIn(generation, 1, Number.MAX_SAFE_INTEGER),
    epoch: uintIn(epoch, 0, Number.MAX_SAFE_INTEGER),
    public: new Map([...publicValues].map(([name, bytes]) => [textLike(name, PUBLIC_NAME), bytesOf(bytes)])),
    slots: slots.map(slotFromCbor),
  }
  if (new Set(header.slots.map(slot => slot.id)).size !== header.slots.length)
    throw damaged('a slot is there twice')
  return { header, stateLength: uintIn(stateLength, 0, MAX_FILE_BYTES) }
}

/** SHA-256 of the header's encoding without its `check` field. */
function checksum(fields: Map<string, CborValue>): Uint8Array {
  return createHash('sha256').update(encodeCbor(fields)).digest()
}
