/** What the keeper holds while operational: keys as KeyObjects in OpenSSL's secure heap, and the registry. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { KeyUse } from '../../protocol/api/routes.ts'
import { KeyError } from '../../protocol/envelope/errors.ts'
import { checkRecipient, type Recipient } from '../../protocol/envelope/jwe.ts'
import { type FieldPrivateKey, importPrivateKey, publicKeyOf } from '../../protocol/envelope/keys.ts'
import { importLegacyKey, type LegacyPrivateKey } from '../../protocol/envelope/legacy.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'
import type { Grant } from './policy/grant.ts'
import type {
  SealedAgent,
  SealedInvitation,
  SealedKey,
  SealedRecipient,
  SealedState,
  SealedVersion,
} from './sealed-state.ts'

/** One version of a key, ready to open with. */
export interface KeyVersion {
  version: number
  /** Seconds since 1970. */
  created: number
  privateKey: FieldPrivateKey | LegacyPrivateKey
  /** Text form of the public half; of an imported key its PEM. */
  publicKey: string
  /** It opens no more, and is to be deleted. */
  retired: NonNullable<SealedVersion['retired']> | null
}

/** A key with all its versions. */
export interface Key {
  name: string
  /** `rsa` is an imported key. */
  suite: SuiteLetter | 'rsa'
  versions: Map<number, KeyVersion>
  /** The lowest version that opens. */
  minimum: number
  /** What it is for; of an imported key always `fields`. */
  use: KeyUse
}

/** A recipient, ready to encrypt to. */
export interface UnlockedRecipient extends SealedRecipient {
  recipient: Recipient
}

/** Lookups over one opened state. Never changed in place: each save makes a new one. */
export interface Unlocked {
  authority: KeyObject
  keys: Map<string, Key>
  /** By the pin of their public key, hex. */
  agents: Map<string, SealedAgent>
  invitations: Map<string, SealedInvitation>
  grants: readonly Grant[]
  recipients: Map<string, UnlockedRecipient>
  /** Digests of the canaries, hex. */
  canaries: Set<string>
  /** What signs the checkpoints of the audit log, Ed25519. */
  logKey: KeyObject
}

/** Threads of the pool that may work with one key at the same time: libuv reads the same variable. */
const LANES = Number(process.env.UV_THREADPOOL_SIZE ?? 1)

/** Pins and digests as map keys. */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/**
 * Imports every key of a state. The state itself can be wiped afterwards.
 *
 * @param previous - the state before a change, unlocked: a version never changes, so its key objects are used again
 */
export function unlock(namespace: string, state: SealedState, previous: Unlocked | null = null): Unlocked {
  const keys = new Map<string, Key>()
  for (const sealed of state.keys) {
    const { name, suite, versions, minimum = 1, use = 'fields' } = sealed
    const known = previous?.keys.get(name)?.versions
    const imported = versions.map((version): [number, KeyVersion] => {
      const { version: number, created, retired = null } = version
      const same = known?.get(number) ?? importVersion(namespace, sealed, version)
      return [number, { ...same, version: number, created, retired }]
    })
    keys.set(name, { name, suite, minimum, use, versions: new Map(imported) })
  }
  return {
    authority: previous?.authority ?? importPkcs8(state.authority),
    logKey: previous?.logKey ?? importPkcs8(state.log),
    keys,
    agents: new Map(state.agents.map(agent => [hex(agent.pin), agent])),
    invitations: new Map(state.invitations.map(invitation => [invitation.name, invitation])),
    grants: state.grants,
    recipients: new Map(
      state.recipients.map(sealed => [
        sealed.name,
        { ...sealed, recipient: checkRecipient(JSON.parse(sealed.jwk)) },
      ]),
    ),
    canaries: new Set(state.canaries.map(hex)),
  }
}

function importVersion(
  namespace: string,
  { name: key, suite, legacy }: SealedKey,
  { version, pkcs8 }: SealedVersion,
): Pick<KeyVersion, 'privateKey' | 'publicKey'> {
  if (suite === 'rsa') {
    if (!legacy) throw new KeyError('an imported key does not say how it opens')
    const privateKey = importLegacyKey(pkcs8, legacy)
    return { privateKey, publicKey: privateKey.publicKey }
  }
  const privateKey = importPrivateKey(suite, pkcs8, LANES)
  const bytes = publicKeyOf(privateKey)
  return { privateKey, publicKey: formatPublicKey({ suite, namespace, key, version, bytes }) }
}

function importPkcs8(pkcs8: Uint8Array): KeyObject {
  const key = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length)
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** The version under which is sealed: the newest. */
export function currentOf({ versions }: Key): KeyVersion {
  return [...versions.values()].at(-1)!
}

/** Whether a version may open. */
export function mayOpen({ minimum }: Key, { version, retired }: KeyVersion): boolean {
  return retired === null && version >= minimum
}
