/**
 * Opening a batch: for each item parse → decide → find the key → open. Every item has its own result, and every way in
 * which a ciphertext does not open gives the same code.
 */
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { type OpenItem, openField, openFields } from '../../protocol/envelope/field.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import { decide } from './policy.ts'
import type { SealedAgent } from './sealed-state.ts'
import type { Unlocked } from './unlocked.ts'

/** What the caller sends: ciphertext, field, record of each item. */
export type CipherItem = readonly [ciphertext: string, field: string, record: string]

/**
 * Opens a batch for an agent.
 *
 * @returns for each item its plaintext, or the code of its refusal; plaintexts are the caller's to zero
 */
export async function decrypt(
  namespace: string,
  unlocked: Unlocked,
  agent: SealedAgent,
  purpose: string,
  items: readonly CipherItem[],
): Promise<(Uint8Array | ErrorCode)[]> {
  const prepared = items.map(item => prepare(namespace, unlocked, agent, purpose, item))
  const ready = prepared.filter(item => typeof item !== 'string')
  const opened = ready.length === 1 ? [openOne(ready[0]!)] : await openFields(ready)
  let next = 0
  return prepared.map(item => {
    if (typeof item === 'string') return item
    const result = opened[next++]!
    return result instanceof Uint8Array ? result : result.code
  })
}

/** A single field is opened on this thread: the way to the thread pool and back costs more than it gains. */
function openOne({ privateKey, token, context }: OpenItem): Uint8Array | OpenError {
  try {
    return openField(privateKey, token, context)
  } catch (error) {
    if (error instanceof OpenError) return error
    throw error
  }
}

function prepare(
  namespace: string,
  unlocked: Unlocked,
  agent: SealedAgent,
  purpose: string,
  [ciphertext, field, record]: CipherItem,
): OpenItem | ErrorCode {
  try {
    const token = parseToken(ciphertext)
    const context = { namespace, key: token.key, field, record }
    contextInfo(context)
    const refusal = decide({ agent, key: token.key, field, purpose })
    if (refusal) return refusal
    const key = unlocked.keys.get(token.key)
    const version = key?.versions.get(token.version)
    if (key?.suite !== token.suite || !version) return 'open-failed'
    return { privateKey: version.privateKey, token, context }
  } catch (error) {
    if (error instanceof ClavigerError) return error.code
    throw error
  }
}
