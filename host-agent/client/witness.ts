/**
 * The witness of the audit log (docs/formats/audit.md): an agent remembers the newest checkpoint that it saw, and at its
 * next connection demands the proof that the log still continues it. So an older copy of the log, or one with entries
 * taken out, is noticed by everybody who was there before.
 */
import type { State } from '../../protocol/api/routes.ts'
import {
  type Checkpoint,
  openCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '../../protocol/audit/checkpoint.ts'
import { HASH_BYTES, verifyConsistency } from '../../protocol/audit/merkle.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import type { Appliance } from './appliance.ts'
import { ApplianceError, ConnectionError } from './errors.ts'

/** Where the newest checkpoint is remembered. */
export interface Witness {
  /** Where that is, for people. */
  readonly place: string
  /** @returns the checkpoint, `null` if none was seen yet */
  read(): Promise<string | null>
  /** Remembers a checkpoint, unless a newer one was remembered in the meantime. */
  write(checkpoint: string): Promise<void>
}

/** The part of an appliance that a witness asks. */
export type Witnessed = Pick<Appliance, 'status' | 'auditCheckpoint' | 'auditConsistency'>

/** States in which there is a log. */
const WITH_LOG: readonly State[] = ['locked', 'operational', 'lockdown']

/**
 * Demands that the log continues what was seen before, and remembers how far it is now.
 *
 * @param logKey - verifier key of the log, as it was pinned when this agent enrolled
 * @returns the checkpoint that holds now; `null` where there is none yet
 * @throws ConnectionError `log-rolled-back`; `bad-checkpoint` for one that is not signed by this log; `bad-profile`
 */
export async function witnessLog(
  appliance: Witnessed,
  logKey: string,
  witness: Witness,
): Promise<Checkpoint | null> {
  const { state } = await appliance.status()
  if (!WITH_LOG.includes(state)) return null
  const key = readLogKey(logKey)
  // First what is remembered, then what there is: another process may remember a newer one in between.
  const seen = await witness.read()
  const { checkpoint } = await appliance.auditCheckpoint()
  const before = seen === null ? null : openSeen(seen, key, witness)
  const now = typeof checkpoint === 'string' ? openTold(checkpoint, key) : null
  if (before !== null && (now === null || now.size < before.size))
    throw rolledBack(sizes(now, before), witness)
  if (before !== null) await demandConsistency(appliance, before, now!, witness)
  if (now !== null && (before === null || before.size < now.size)) await witness.write(checkpoint!)
  return now
}

async function demandConsistency(
  appliance: Witnessed,
  before: Checkpoint,
  now: Checkpoint,
  witness: Witness,
): Promise<void> {
  const [oldSize, newSize] = [before.size, now.size]
  const proof = oldSize === newSize ? [] : await askForProof(appliance, oldSize, newSize)
  const isContinued =
    proof !== null && verifyConsistency({ oldSize, oldRoot: before.root, newSize, newRoot: now.root, proof })
  if (!isContinued) throw rolledBack(`its first ${oldSize} entries are not what they were`, witness)
}

const sizes = (now: Checkpoint | null, before: Checkpoint) =>
  `it has ${now?.size ?? 'no'} signed entries, and had ${before.size}`

/** @returns `null` where the device has no such proof to give */
async function askForProof(appliance: Witnessed, from: number, to: number): Promise<Uint8Array[] | null> {
  try {
    const { proof } = await appliance.auditConsistency({ from, to })
    return readHashes(proof)
  } catch (error) {
    const hasNone =
      error instanceof ApplianceError && ['unknown-entry', 'malformed-request'].includes(error.code)
    if (hasNone) return null
    throw error
  }
}

/** Hashes of a proof, as the API carries them; `null` unless all of them are hashes. */
export function readHashes(texts: unknown): Uint8Array[] | null {
  if (!Array.isArray(texts)) return null
  const hashes = texts.map(text => (typeof text === 'string' ? fromBase64url(text) : null))
  return hashes.every(hash => hash?.length === HASH_BYTES) ? (hashes as Uint8Array[]) : null
}

function rolledBack(how: string, { place }: Witness): ConnectionError {
  return new ConnectionError(
    'log-rolled-back',
    `the device's log is not a continuation of what was seen before: ${how}`,
    {
      hint:
        'somebody took entries out of it or put back an old copy of the device: open nothing with it and tell an ' +
        `administrator; what was seen before is in ${place}, to be removed only when an old copy was put back on purpose`,
    },
  )
}

/** @throws ConnectionError `bad-profile` */
export function readLogKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text)
  } catch (cause) {
    throw new ConnectionError('bad-profile', 'the key of the log in this enrolment is damaged', {
      cause,
      hint: 'enrol again with a new invitation',
    })
  }
}

function openSeen(text: string, key: VerifierKey, { place }: Witness): Checkpoint {
  try {
    return openCheckpoint(text, key)
  } catch (cause) {
    throw new ConnectionError('bad-checkpoint', `${place} does not hold a checkpoint of this device's log`, {
      cause,
      hint: 'it was damaged, or is of an earlier enrolment; without it, what came before cannot be checked',
    })
  }
}

function openTold(text: string, key: VerifierKey): Checkpoint {
  try {
    return openCheckpoint(text, key)
  } catch (cause) {
    throw new ConnectionError('bad-checkpoint', "the device's log is not signed with the key it had", {
      cause,
      hint: 'the log was replaced by another one: open nothing with the device and tell an administrator',
    })
  }
}
