/**
 * The state inside of the locked file, as canonical CBOR (docs/formats/keystore.md, "State"). It exists in memory only
 * while it is read or replaced; what works in between are the KeyObjects of {@link ./unlocked.ts}.
 */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { KEY_USES, LEGACY_PADDINGS, MAX_RETIRE_DAYS, ROLES } from '../../protocol/api/routes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { isName } from '../../protocol/envelope/context.ts'
import { LEGACY_CHARSETS } from '../../protocol/envelope/legacy-charset.ts'
import { boolean, bytes, integer, list, map, mapWith, type Of, type Shape, text, word } from '../ipc/shape.ts'
import { KeystoreError } from './keystore/errors.ts'
import { Grant, MAX_GRANTS } from './policy/grant.ts'

const name: Shape<string> = (value): value is string => isName(value)
const role = word(...ROLES)
const privateKey = bytes(8192, 1)

/** How an imported key opens ({@link ../../protocol/envelope/legacy.ts}). */
export const LegacyForm = mapWith(
  {
    padding: word(...LEGACY_PADDINGS),
    separator: text(1),
    /** Empty for a part that is dropped. */
    fields: list(text(32), 16),
  },
  {
    label: text(255),
    /** Of the payload's text; UTF-8 where it is missing. */
    charset: word(...LEGACY_CHARSETS),
    /** The label is the context of each value. */
    bound: boolean,
  },
)
export type LegacyForm = Of<typeof LegacyForm>

const SealedVersion = mapWith(
  { version: integer(0x7fff_ffff), created: integer(), pkcs8: privateKey },
  {
    /** It opens no more, and is deleted `days` of budget time after the entry of the log with this index. */
    retired: map({ entry: integer(), since: integer(), days: integer(MAX_RETIRE_DAYS) }),
  },
)
export type SealedVersion = Of<typeof SealedVersion>

const SealedKey = mapWith(
  {
    name,
    suite: word('x', 'p', 'q', 'rsa'),
    /** Oldest first. */
    versions: list(SealedVersion, 1024),
  },
  {
    /** The lowest version that opens; where it is missing, all do. */
    minimum: integer(0x7fff_ffff),
    /** Of suite `rsa`, and only of that. */
    legacy: LegacyForm,
    /** What it is for, if that is not `fields`. */
    use: word(...KEY_USES),
  },
)
export type SealedKey = Of<typeof SealedKey>

const SealedAgent = map({
  name,
  role,
  /** SHA-256 of its SubjectPublicKeyInfo. */
  pin: bytes(32, 32),
  since: integer(),
  /** Its machine unlocks without a person. */
  unattended: boolean,
})
export type SealedAgent = Of<typeof SealedAgent>

const SealedInvitation = map({
  name,
  role,
  /** The certificate that the invited machine's chain ends in, DER. */
  certificate: bytes(4096, 1),
  since: integer(),
  expires: integer(),
  /** Whether the machine may make a slot that opens without a PIN. */
  unattended: boolean,
})
export type SealedInvitation = Of<typeof SealedInvitation>

const SealedRecipient = map({
  name,
  /** Its public key as a JSON text (RFC 7517). */
  jwk: text(8192),
  since: integer(),
})
export type SealedRecipient = Of<typeof SealedRecipient>

/** Bytes of the digest by which a canary is known. */
export const CANARY_BYTES = 16

/** The form of the state that this release reads and writes. */
export const STATE_FORMAT = 3

const SealedState = map({
  format: (value): value is typeof STATE_FORMAT => value === STATE_FORMAT,
  /** Private key of the enrolment authority, PKCS#8 DER. */
  authority: privateKey,
  /** Private key that signs the checkpoints of the audit log, PKCS#8 DER. */
  log: privateKey,
  keys: list(SealedKey, 256),
  agents: list(SealedAgent, 1024),
  invitations: list(SealedInvitation, 1023),
  grants: list(Grant, MAX_GRANTS),
  recipients: list(SealedRecipient, 256),
  /** Digests of the tokens that trip lockdown. */
  canaries: list(bytes(CANARY_BYTES, CANARY_BYTES), 10_000),
})
export type SealedState = Of<typeof SealedState>

/**
 * @throws ClavigerError `too-large` when there is more of anything than {@link decodeState} takes: what cannot be read again must not be written
 */
export function encodeState(state: SealedState): Uint8Array {
  if (!SealedState(state))
    throw new ClavigerError('too-large', 'the keystore is full', {
      hint: 'it holds 256 keys of 1,024 versions each, 1,024 agents, 1,024 grants, 256 recipients and 10,000 canaries',
    })
  return encodeCbor(state as unknown as Cbor)
}

/** @throws KeystoreError `keystore-damaged` */
export function decodeState(state: Uint8Array): SealedState {
  let value: unknown
  try {
    value = decodeCbor(state)
  } catch {
    // The decoder's message may quote the state.
  }
  if (SealedState(value)) return value
  throw new KeystoreError('keystore-damaged', 'the state in the keystore has an unknown form')
}

/** Zeroes every private key in a decoded state. */
export function wipeState(state: SealedState): void {
  for (const key of [state.authority, state.log]) key.fill(0)
  for (const key of state.keys) for (const { pkcs8 } of key.versions) pkcs8.fill(0)
}
