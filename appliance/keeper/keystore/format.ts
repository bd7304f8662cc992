/**
 * The keystore file (docs/formats/keystore.md, "Layout"):
 * `"CLVKS1\n" ‖ u32be(header length) ‖ header ‖ nonce(12) ‖ AES-256-GCM-SIV(data key, state, aad = header)`.
 *
 * The header is readable without secrets and carries a checksum, so that damage is told from a wrong passphrase. The
 * checksum is not a signature: only opening the state authenticates the header.
 */

import { createHash } from 'node:crypto'
import { decodeCanonicalCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { bytes, integer, list, map, type Of, type Shape } from '../../ipc/shape.ts'
import { damaged, KeystoreError, malformed } from './errors.ts'
import { open, seal, TAG_BYTES } from './gcm-siv.ts'
import { NONCE_BYTES, Slot } from './slots.ts'

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
const VERSION = 1 as const
const MAGIC = Buffer.from('CLVKS1\n')
const PREFIX_BYTES = MAGIC.length + 4
const CHECK_BYTES = 32

const NAMESPACE = /^[a-z0-9][a-z0-9.-]{0,31}$/
/** Endings of the files that stand beside a keystore: a namespace that had one would collide with another's files. */
const RESERVED = /\.(new|previous|outgoing|tries|lock)$|\.lock\./
const PUBLIC_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/
const MAX_DEPTH = 8

const Public: Shape<Record<string, Uint8Array>> = (value): value is Record<string, Uint8Array> =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === Object.prototype &&
  Object.entries(value).every(([name, item]) => PUBLIC_NAME.test(name) && bytes(MAX_HEADER_BYTES)(item))

const HeaderFields = map({
  version: (value: unknown): value is typeof VERSION => value === VERSION,
  namespace: (value: unknown): value is string => typeof value === 'string' && NAMESPACE.test(value),
  generation: (value: unknown): value is number => integer()(value) && value > 0,
  epoch: integer(),
  public: Public,
  slots: list(Slot, MAX_SLOTS),
  stateLength: integer(MAX_FILE_BYTES),
  check: bytes(CHECK_BYTES, CHECK_BYTES),
})
type HeaderFields = Of<typeof HeaderFields>

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
  const fields = fieldsOf(header, size)
  const headerBytes = encodeCbor({ ...fields, check: checksum(fields) })
  if (headerBytes.length > MAX_HEADER_BYTES) {
    throw new KeystoreError('too-large', 'the keystore header is too large')
  }
  if (PREFIX_BYTES + headerBytes.length + NONCE_BYTES + size + TAG_BYTES > MAX_FILE_BYTES) {
    throw new KeystoreError('too-large', 'the keystore state is too large')
  }
  const prefix = Buffer.alloc(PREFIX_BYTES)
  MAGIC.copy(prefix)
  prefix.writeUInt32BE(headerBytes.length, MAGIC.length)
  return Buffer.concat([prefix, headerBytes, nonce, seal(dataKey, nonce, headerBytes, state)])
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
  const { header, stateLength } = readHeader(headerBytes)
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
  const state = open(dataKey, file.nonce, file.headerBytes, file.sealed)
  if (state === null) throw damaged('the state does not open')
  return state
}

/** The header as the file holds it, without the checksum. */
function fieldsOf(header: Header, stateLength: number): Omit<HeaderFields, 'check'> {
  const { namespace, generation, epoch, slots } = header
  const fields = {
    version: VERSION,
    namespace,
    generation,
    epoch,
    public: Object.fromEntries(header.public),
    slots: [...slots],
    stateLength,
  }
  assertNamespace(namespace)
  if (!HeaderFields({ ...fields, check: new Uint8Array(CHECK_BYTES) }) || !haveDifferentIds(slots))
    throw malformed(
      `a keystore has 1 to ${MAX_SLOTS} slots of different ids, and public values with short names`,
    )
  return fields
}

/** @throws keystore-damaged */
function readHeader(headerBytes: Uint8Array): { header: Header; stateLength: number } {
  let fields: unknown
  try {
    fields = decodeCanonicalCbor(headerBytes, MAX_DEPTH)
  } catch (cause) {
    throw damaged('the header is not canonical CBOR', cause)
  }
  if (!HeaderFields(fields) || !haveDifferentIds(fields.slots))
    throw damaged('the header has an unknown form')
  const { version: _, check, stateLength, ...header } = fields
  if (Buffer.compare(check, checksum({ version: VERSION, ...header, stateLength })) !== 0)
    throw damaged('the checksum of the header is wrong')
  return { header: { ...header, public: new Map(Object.entries(header.public)) }, stateLength }
}

function haveDifferentIds(slots: readonly Slot[]): boolean {
  return slots.length > 0 && new Set(slots.map(({ id }) => id)).size === slots.length
}

/** SHA-256 of the header's encoding without its `check` field. */
function checksum(fields: Omit<HeaderFields, 'check'>): Uint8Array {
  return createHash('sha256').update(encodeCbor(fields)).digest()
}
