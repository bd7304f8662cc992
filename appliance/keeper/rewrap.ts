/**
 * Sealing again: fields are opened and sealed under the newest version of a key, and nobody sees what they hold. What a legacy
 * payload must not keep is dropped on the way.
 */
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import { sealField } from '../../protocol/envelope/field.ts'
import { keptFields } from '../../protocol/envelope/legacy-payload.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import type { Wanted } from './asked.ts'
import { type Decided, openParts } from './decrypt.ts'
import { opensFields } from './foreign.ts'
import type { Params, Rewrapped } from './rpc/messages.ts'
import { currentOf, type Unlocked } from './unlocked.ts'

/** Fields that are sealed before the event loop gets its turn. */
const ROUND = 32

type Sealed = Exclude<Rewrapped, ErrorCode | { code: ErrorCode }>

/** The items of a request, ready to be decided. */
export function wantedOf({ target, items }: Pick<Params<'rewrap'>, 'target' | 'items'>): Wanted[] {
  return items.map(item =>
    item.key === undefined
      ? [item.ciphertext, item.field ?? '', item.record, 'rewrap', target]
      : [item.ciphertext, item.field ?? '', item.record, 'rewrap', target, item.key],
  )
}

/** Opens a batch and seals it. Every plaintext is zeroed before this returns. */
export async function sealAgain(
  unlocked: Unlocked,
  decided: readonly Decided[],
): Promise<(Sealed | ErrorCode)[]> {
  const opened = await openParts(decided)
  try {
    const results: (Sealed | ErrorCode)[] = []
    for (const [i, parts] of opened.entries()) {
      if (i % ROUND === ROUND - 1) await new Promise(setImmediate)
      results.push(typeof parts === 'string' ? parts : sealParts(unlocked, decided[i]!, parts))
    }
    return results
  } finally {
    for (const parts of opened) if (typeof parts !== 'string') for (const part of parts) part.fill(0)
  }
}

function sealParts(
  { keys }: Unlocked,
  { item, key, legacy }: Decided,
  parts: readonly Uint8Array[],
): Sealed | ErrorCode {
  const [, own, record, , option] = item
  const target = keys.get(option === '' ? key.split('@', 1)[0]! : String(option))
  if (!target) return 'unknown-key'
  // Nothing is sealed under an imported key, or one that is for something else.
  if (target.suite === 'rsa' || !opensFields(target.use)) return 'bad-key'
  const current = currentOf(target)
  if (current.retired) return 'key-retired'
  const publicKey = parsePublicKey(current.publicKey)
  const fields = legacy ? keptFields(legacy.privateKey.form) : [own]
  try {
    return fields.map((field, i) => ({ field, token: sealField(publicKey, { field, record }, parts[i]!) }))
  } catch (error) {
    if (error instanceof ClavigerError) return error.code
    throw error
  }
}
