/**
 * Checkpoints: size and root of the log, signed by the device (C2SP tlog-checkpoint in a C2SP signed-note, Ed25519).
 *
 * ```
 * <origin> LF <size> LF <base64 root> LF
 * LF
 * — <name> <base64(key id (4) ‖ signature (64))> LF
 * ```
 *
 * The name of the key is the origin. A note may carry signatures of others (witnesses), which are passed over; lines after the
 * root are refused, because this log never writes any.
 */

import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { AuditError, CheckpointError } from './errors.ts'
import { HASH_BYTES } from './merkle.ts'

/** What a checkpoint says of its log. */
export interface Checkpoint {
  /** which log this is; no white space, no `+` */
  origin: string
  /** entries in the log */
  size: number
  /** root of the Merkle tree over them, 32 bytes */
  root: Uint8Array
}

/** The public key of a log as its readers hold it. */
export interface VerifierKey {
  name: string
  /** first 4 bytes of SHA-256(name ‖ LF ‖ 0x01 ‖ public key) */
  id: Uint8Array
  publicKey: KeyObject
}

const ED25519 = 0x01
const KEY_BYTES = 32
const ID_BYTES = 4
const MAX_NAME_LENGTH = 255
/** A checkpoint with a few signatures of witnesses. */
const MAX_CHECKPOINT_LENGTH = 8192
const MAX_SIGNATURES = 16

const NAME = /^[^\s+\p{C}]+$/u
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/
const VERIFIER_KEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/

/** True for a name that a log or its key may have. */
export function isLogName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= MAX_NAME_LENGTH && NAME.test(name)
}

/**
 * The verifier key `<name>+<hex key id>+<base64(0x01 ‖ public key)>` (C2SP signed-note, "Verifier keys").
 * @param key Ed25519, private or public
 * @throws AuditError `bad-key`
 */
export function formatVerifierKey(name: string, key: KeyObject): string {
  const bytes = rawKey(name, key)
  return `${name}+${Buffer.from(keyId(name, bytes)).toString('hex')}+${toBase64(typed(bytes))}`
}

/** @throws AuditError `bad-key` */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name, id, base64] =
    (typeof text === 'string' && text.length <= 512 && VERIFIER_KEY.exec(text)) || []
  const bytes = fromBase64(base64 ?? '')
  if (!isLogName(name) || bytes?.length !== 1 + KEY_BYTES || bytes[0] !== ED25519)
    throw new AuditError('bad-key', 'this is not the public key of a log')
  const raw = bytes.subarray(1)
  const expected = keyId(name, raw)
  if (Buffer.from(expected).toString('hex') !== id)
    throw new AuditError('bad-key', 'the public key of the log was copied wrongly')
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') }
  return { name, id: expected, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }
}

/**
 * The text of a signed checkpoint.
 * @param name of the key; readers expect it to be the origin
 * @param key Ed25519 private key
 * @throws AuditError `bad-key`
 */
export function signCheckpoint(checkpoint: Checkpoint, name: string, key: KeyObject): string {
  const { origin, size, root } = checkpoint
  if (!isLogName(origin) || !Number.isSafeInteger(size) || size < 0 || root.length !== HASH_BYTES)
    throw new AuditError('malformed-request', 'this is not a checkpoint')
  const id = keyId(name, rawKey(name, key))
  const body = `${origin}\n${size}\n${toBase64(root)}\n`
  const signature = sign(null, Buffer.from(body), key)
  return `${body}\n— ${name} ${toBase64(Buffer.concat([id, signature]))}\n`
}

/**
 * Reads a checkpoint and checks that the key of this log signed it.
 * @throws CheckpointError `bad-checkpoint`
 * @throws AuditError `bad-key`
 */
export function openCheckpoint(text: string, verifierKey: string | VerifierKey): Checkpoint {
  const { name, id, publicKey } =
    typeof verifierKey === 'string' ? parseVerifierKey(verifierKey) : verifierKey
  const { checkpoint, body, signatures } = parseNote(text)
  if (checkpoint.origin !== name) throw new CheckpointError('the checkpoint is of another log')
  const ours = signatures.filter(signature => signature.name === name && isEqual(signature.id, id))
  if (ours.length === 0) throw new CheckpointError('the checkpoint is not signed with the key of this log')
  if (!ours.every(({ signature }) => verify(null, Buffer.from(body), publicKey, signature)))
    throw new CheckpointError('the signature of the checkpoint is wrong')
  return checkpoint
}

/**
 * Reads a checkpoint without looking at who signed it.
 * @throws CheckpointError `bad-checkpoint`
 */
export function readCheckpoint(text: string): Checkpoint {
  return parseNote(text).checkpoint
}

interface Signature {
  name: string
  id: Uint8Array
  signature: Uint8Array
}

function parseNote(text: string): { checkpoint: Checkpoint; body: string; signatures: Signature[] } {
  if (typeof text !== 'string' || text.length > MAX_CHECKPOINT_LENGTH || !text.endsWith('\n'))
    throw new CheckpointError()
  const [origin, sizeText = '', rootText = '', blank, ...lines] = text.slice(0, -1).split('\n')
  const size = SIZE.test(sizeText) ? Number(sizeText) : Number.NaN
  const root = fromBase64(rootText)
  if (!isLogName(origin) || !Number.isSafeInteger(size) || root?.length !== HASH_BYTES || blank !== '')
    throw new CheckpointError()
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) throw new CheckpointError()
  const body = `${origin}\n${sizeText}\n${rootText}\n`
  return { checkpoint: { origin, size, root }, body, signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): Signature {
  const [dash, name, base64 = '', ...rest] = line.split(' ')
  const bytes = fromBase64(base64)
  if (dash !== '—' || !isLogName(name) || rest.length > 0 || bytes === null || bytes.length <= ID_BYTES)
    throw new CheckpointError()
  return { name, id: bytes.subarray(0, ID_BYTES), signature: bytes.subarray(ID_BYTES) }
}

/** The public key in its 32 bytes. @throws AuditError `bad-key` */
function rawKey(name: string, key: KeyObject): Uint8Array {
  if (!isLogName(name)) throw new AuditError('bad-key', 'a log cannot have this name')
  if (key.asymmetricKeyType !== 'ed25519') throw new AuditError('bad-key', 'the key of a log is Ed25519')
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
}

function keyId(name: string, raw: Uint8Array): Uint8Array {
  const input = Buffer.concat([Buffer.from(`${name}\n`), typed(raw)])
  return Buffer.from(hash('sha256', input, 'hex'), 'hex').subarray(0, ID_BYTES)
}

const typed = (raw: Uint8Array) => Buffer.concat([Uint8Array.of(ED25519), raw])
const isEqual = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0
const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** Canonical base64 with padding, or `null`. */
function fromBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
