/** Asks a source of keys for cells: what is no request is refused here, and what is too large for one becomes several. */
import { MAX_BODY } from '../../../protocol/api/routes.ts'
import type { DecryptAnswer, DecryptItem } from '../../../protocol/api/schemas.ts'
import { contextInfo } from '../../../protocol/envelope/context.ts'
import { ContextError } from '../../../protocol/envelope/errors.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { KeySource } from '../../client/sources/source.ts'

/** Longest ciphertext that a request takes, in characters. */
export const MAX_CIPHERTEXT = 131_072
/** Left in a request's body for everything besides its items, in bytes. */
const BODY_FRAME = 4096

/** One cell's text, and where it belongs. */
export interface Task {
  readonly column: string
  readonly field: string
  readonly record: string
  readonly text: string
}

/** What is the same for all cells. */
export interface Wish {
  /** Of the whole request. */
  purpose: { purpose: string; reason?: string }
  /** Of each item. */
  manner: Pick<DecryptItem, 'reveal' | 'keep' | 'candidate' | 'recipient' | 'key'>
}

/** What became of a cell: its value, base64url where it is not text, or the code of its failure. */
export type Outcome = { value: string; isEncoded?: boolean } | { code: string }

/** A cell that failed: its code, and when there is room again. */
export interface Refusal {
  code: string
  free?: number
}

/** What became of a cell. */
export type Opened = Exclude<Outcome, { code: string }> | Refusal

/** Opens cells; those that no request would take are refused here, so that one of them never fails a batch. */
export function opener(
  source: Pick<KeySource, 'decrypt'>,
  { purpose, manner }: Wish,
): (tasks: readonly Task[]) => Promise<Opened[]> {
  return async tasks => {
    const refusals: (string | null)[] = []
    const items: DecryptItem[] = []
    for (const { field, record, text: given } of tasks) {
      // Base64 of a shop's own code may have line breaks.
      const text = manner.key === undefined ? given : given.replace(/\s+/g, '')
      const refusal = placeFault(field, record) ?? (isSendable(text) ? null : 'bad-token')
      if (refusal === null) items.push({ ciphertext: text, context: { field, record }, ...manner })
      refusals.push(refusal)
    }
    const results: DecryptAnswer['results'] = []
    for (const part of requestsOf(items)) {
      const answer = await source.decrypt({ ...purpose, items: part })
      if (answer.results?.length !== part.length)
        throw new ConnectionError('bad-response', 'the answer does not fit the request')
      results.push(...answer.results)
    }
    let next = 0
    return refusals.map(code => (code === null ? openedOf(results[next++]!) : { code }))
  }
}

/** Printable ASCII of a length that a request takes. */
export function isSendable(text: string): boolean {
  return text.length <= MAX_CIPHERTEXT && /^[\x20-\x7e]+$/.test(text)
}

/** Cuts a batch, which may hold one row with very long tokens, into requests that the device accepts. */
function* requestsOf(items: readonly DecryptItem[]): Generator<DecryptItem[]> {
  let part: DecryptItem[] = []
  let size = 0
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1
    if (size + bytes > MAX_BODY - BODY_FRAME) {
      yield part
      part = []
      size = 0
    }
    part.push(item)
    size += bytes
  }
  if (part.length > 0) yield part
}

function openedOf({ value, encoding, equals, jwe, error }: DecryptAnswer['results'][number]): Opened {
  if (error) return { code: error.code, ...(error.free === undefined ? {} : { free: error.free }) }
  if (value !== undefined) return encoding ? { value, isEncoded: true } : { value }
  if (equals !== undefined) return { value: String(equals) }
  if (jwe !== undefined) return { value: jwe }
  throw new ConnectionError('bad-response', 'the answer holds no value')
}

/** Whether a context is one; what else is in it than field and record is another's concern. */
export function placeFault(field: string, record: string): string | null {
  try {
    contextInfo({ namespace: 'default', key: 'any', field, record })
    return null
  } catch (error) {
    if (error instanceof ContextError) return error.code
    throw error
  }
}
