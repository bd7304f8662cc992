/**
 * Counting wrong PINs durably, before each check (docs/formats/keystore.md, "Tries").
 *
 * A locked keystore cannot rewrite its own header, so the count is an append-only journal of 32-byte records beside it:
 * event(1) ‖ slot reference(16) ‖ checksum(15). Whoever can write to the disk can delete the journal; what protects a
 * stolen disk is the random factor that each PIN slot must have.
 */

import { createHash } from 'node:crypto'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { KeystoreError, UnlockError } from './errors.ts'
import { readIfPresent, replaceSmallFile } from './replacement.ts'
import type { Slot } from './slots.ts'
import type { Storage } from './storage.ts'

/** Wrong tries after which a slot is destroyed. */
export const MAX_TRIES = 8

/** The count of wrong tries per slot since its last success. Calls must not overlap. */
export interface TryCounter {
  /** True if the slot may never be checked again. */
  isDestroyed(slot: Slot): Promise<boolean>
  /**
   * Counts a try and returns only when that is durable: the check may follow, never precede.
   *
   * @returns how many tries are left if this one is wrong
   * @throws slot-destroyed if none was left
   * @throws storage-failed if the try could not be counted; there must be no check then
   */
  begin(slot: Slot): Promise<number>
  /** Resets the count. @throws storage-failed */
  succeed(slot: Slot): Promise<void>
  /** Marks the slot destroyed. The count alone destroys it too, so this may fail without harm. @throws storage-failed */
  destroy(slot: Slot): Promise<void>
  /** Forgets all slots but these, and what is no longer needed to count theirs. @throws storage-failed */
  compact(slots: readonly Slot[]): Promise<void>
}

const EVENTS = { try: 1, success: 2, destroyed: 3 } as const
type Event = keyof typeof EVENTS

const RECORD_BYTES = 32
const REFERENCE_BYTES = 16
const LABEL = 'claviger/tries/v1'
const MAX_JOURNAL_BYTES = 1_048_576
/** Records that may be superfluous before the journal is rewritten. */
const SLACK = 64

/** A {@link TryCounter} on the journal `<namespace>.tries`. */
export function journalTries(storage: Storage, namespace: string): TryCounter {
  const name = `${namespace}.tries`
  const read = () => readIfPresent(storage, name, MAX_JOURNAL_BYTES)

  async function append(event: Event, slot: Slot): Promise<void> {
    const journal = await read()
    const record = encodeRecord(event, referenceTo(namespace, slot))
    const torn = (journal?.length ?? 0) % RECORD_BYTES
    // A torn tail is filled up, so that the new record stands where a record begins.
    const bytes = torn === 0 ? record : Buffer.concat([Buffer.alloc(RECORD_BYTES - torn, 0xff), record])
    try {
      await storage.append(name, bytes)
      if (journal === null) await storage.syncDirectory()
    } catch (cause) {
      throw new KeystoreError('storage-failed', 'the try could not be counted', { cause })
    }
  }

  const count = async (slot: Slot) => tally((await read()) ?? new Uint8Array(), referenceTo(namespace, slot))

  return {
    isDestroyed: async slot => (await count(slot)) >= MAX_TRIES,
    async begin(slot) {
      const wrong = await count(slot)
      if (wrong >= MAX_TRIES) throw new UnlockError('slot-destroyed')
      await append('try', slot)
      return MAX_TRIES - wrong - 1
    },
    succeed: slot => append('success', slot),
    destroy: slot => append('destroyed', slot),
    async compact(slots) {
      const journal = await read()
      if (journal === null) return
      const records = slots.flatMap(slot => {
        const reference = referenceTo(namespace, slot)
        return Array<Uint8Array>(tally(journal, reference)).fill(encodeRecord('try', reference))
      })
      if (journal.length <= (records.length + SLACK) * RECORD_BYTES && recordsOf(journal).every(isWhole))
        return
      try {
        await replaceSmallFile(storage, name, Buffer.concat(records))
      } catch (cause) {
        throw new KeystoreError('storage-failed', 'the journal of tries could not be written', { cause })
      }
    },
  }
}

/**
 * Names one making of a slot: a hash over its description and wrapped key, so that a slot which is replaced under the
 * same id starts with no tries, and no change to a slot that still opens can give it another name.
 */
export function referenceTo(namespace: string, slot: Slot): Uint8Array {
  const hash = createHash('sha256')
    .update(LABEL)
    .update(encodeCbor([namespace, slot]))
  return hash.digest().subarray(0, REFERENCE_BYTES)
}

/** One journal record. */
export function encodeRecord(event: Event, reference: Uint8Array): Uint8Array {
  const body = Buffer.concat([Uint8Array.of(EVENTS[event]), reference])
  return Buffer.concat([body, checksum(body)])
}

/**
 * Wrong tries of a slot since its last success, {@link MAX_TRIES} at most.
 *
 * A record that cannot be read may have been a try of any slot, so it counts as one of each: damage never adds tries.
 */
export function tally(journal: Uint8Array, reference: Uint8Array): number {
  let wrong = 0
  for (const record of recordsOf(journal)) {
    const whole = isWhole(record)
    if (whole && Buffer.compare(record.subarray(1, 1 + REFERENCE_BYTES), reference) !== 0) continue
    if (!whole || record[0] === EVENTS.try) wrong += 1
    else if (record[0] === EVENTS.success) wrong = 0
    else return MAX_TRIES
  }
  return Math.min(wrong, MAX_TRIES)
}

function recordsOf(journal: Uint8Array): Uint8Array[] {
  const count = Math.ceil(journal.length / RECORD_BYTES)
  return Array.from({ length: count }, (_, i) => journal.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES))
}

function isWhole(record: Uint8Array): boolean {
  const body = record.subarray(0, 1 + REFERENCE_BYTES)
  return record.length === RECORD_BYTES && Buffer.compare(record.subarray(body.length), checksum(body)) === 0
}

function checksum(body: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(LABEL).update(body).digest()
  return hash.subarray(0, RECORD_BYTES - body.length)
}
