/** Checking the factors of a slot: a try that could be guessed is counted before the check, never after. */

import { UnlockError } from './errors.ts'
import { assertOutputs, type Factor } from './factors.ts'
import { attempt } from './replacement.ts'
import { hasPin, openSlot, type Slot } from './slots.ts'
import type { TryCounter } from './tries.ts'

/**
 * The data key of a slot whose factors are right. To be zeroed by the caller.
 *
 * @throws unlock-refused if any factor is wrong, or their list is another than the slot's
 * @throws slot-destroyed if a slot with a PIN has no tries left
 * @throws malformed-request for a factor that can be no factor; this is not counted as a try
 * @throws storage-failed if the try or the success could not be recorded
 */
export async function checkFactors(
  namespace: string,
  slot: Slot,
  factors: readonly Factor[],
  tries: TryCounter,
): Promise<Uint8Array> {
  const expected = slot.factors.map(({ type }) => type).join(', ')
  if (factors.map(({ type }) => type).join(', ') !== expected)
    throw new UnlockError('unlock-refused', undefined, { hint: `this slot takes ${expected}, in this order` })
  assertOutputs(factors)
  return hasPin(slot) ? checkCounted(namespace, slot, factors, tries) : open(namespace, slot, factors)
}

async function checkCounted(
  namespace: string,
  slot: Slot,
  factors: readonly Factor[],
  tries: TryCounter,
): Promise<Uint8Array> {
  const left = await tries.begin(slot)
  const hint = left === 0 ? 'no tries are left: the slot is destroyed' : `${left} tries are left`
  let dataKey: Uint8Array
  try {
    dataKey = open(namespace, slot, factors, hint)
  } catch (error) {
    if (left === 0) await attempt(() => tries.destroy(slot))
    throw error
  }
  try {
    await tries.succeed(slot)
    return dataKey
  } catch (error) {
    dataKey.fill(0)
    throw error
  }
}

function open(namespace: string, slot: Slot, factors: readonly Factor[], hint?: string): Uint8Array {
  const dataKey = openSlot(namespace, slot, factors)
  if (dataKey === null) throw new UnlockError('unlock-refused', undefined, hint === undefined ? {} : { hint })
  return dataKey
}

/** The slots that may still be checked. @param used the slot that was just opened, which has no wrong tries */
export async function withoutDestroyed(
  slots: readonly Slot[],
  used: Slot,
  tries: TryCounter,
): Promise<Slot[]> {
  const alive: Slot[] = []
  for (const slot of slots)
    if (slot.id === used.id || !hasPin(slot) || !(await tries.isDestroyed(slot))) alive.push(slot)
  return alive
}
