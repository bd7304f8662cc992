/** What `claviger open` asks a source of keys: which cells for which purpose, how much of each value, and what came of it. */
import { ClavigerError, ERRORS, type ErrorCode, isErrorCode } from '../../protocol/api/errors.ts'
import { MAX_BODY, REVEALS, type Reveal } from '../../protocol/api/routes.ts'
import type { DecryptAnswer, DecryptItem } from '../../protocol/api/schemas.ts'
import { isName } from '../../protocol/envelope/context.ts'
import { ConnectionError, nextStep } from '../client/errors.ts'
import type { KeySource } from '../client/sources/source.ts'
import { assertName, UsageError } from './command.ts'
import type { Outcome } from './rows/convert.ts'
import { placeFault, type Task } from './rows/mapping.ts'

/** Longest ciphertext that a request takes, in characters. */
export const MAX_CIPHERTEXT = 131_072
/** Left in a request's body for everything besides its items, in bytes. */
const BODY_FRAME = 4096
const MAX_REASON = 255
const MAX_KEEP = 6
const MAX_CANDIDATE = 4096

export const HINTS: Partial<Record<ErrorCode, string>> = {
  'open-failed': 'field and record must be those that the token was sealed for',
  'bad-token': 'a token begins with clv1. and is copied whole; what an imported key opens needs --key',
  'key-retired': nextStep('key-retired')!,
  'unknown-key': 'claviger key show SOURCE lists the keys of a source',
  'bad-context': 'a record is at most 255 bytes',
  'unknown-recipient': 'claviger admin recipient list shows to whom values can be forwarded',
  'not-granted': nextStep('not-granted')!,
  'outside-hours': nextStep('outside-hours')!,
  'touch-missing': nextStep('touch-missing')!,
  'over-budget': nextStep('over-budget')!,
  'too-many-tries': nextStep('too-many-tries')!,
}

/** What is the same for all cells. */
export interface Wish {
  /** Of the whole request. */
  purpose: { purpose: string; reason?: string }
  /** Of each item. */
  manner: Pick<DecryptItem, 'reveal' | 'keep' | 'candidate' | 'recipient' | 'key'>
}

export const WISH_OPTIONS = {
  purpose: { type: 'string' },
  reason: { type: 'string' },
  reveal: { type: 'string' },
  keep: { type: 'string' },
  'candidate-fd': { type: 'string' },
  recipient: { type: 'string' },
  key: { type: 'string' },
} as const

export const WISH_USAGE = `  --purpose NAME   what it is for, such as ship; written to the device's log
  --reason TEXT    more about it, for the log
  --reveal HOW     full (default), last4, mask, equals, forward
  --keep N         for mask: how many characters at the end stay, 1 to ${MAX_KEEP}
  --recipient NAME for forward: to whom; the answer is a JWE that only they can open
  --key NAME       the imported key that opens what a shop's own code encrypted, which is no token
`

/** The options of {@link WISH_OPTIONS}, as they were given. */
export interface WishOptions {
  purpose?: string | undefined
  reason?: string | undefined
  reveal?: string | undefined
  keep?: string | undefined
  recipient?: string | undefined
  key?: string | undefined
}

/**
 * @param candidate - what `equals` compares with
 * @throws UsageError
 */
export function readWish(options: WishOptions, candidate: string | undefined): Wish {
  const { keep, recipient, key } = options
  const purpose = readPurpose(options.purpose, options.reason)
  const reveal = REVEALS.find(known => known === (options.reveal ?? 'full'))
  if (!reveal)
    throw new UsageError(`there is no reveal ${options.reveal}`, `it is one of ${REVEALS.join(', ')}`)
  const only = (option: string, given: unknown, of: Reveal) => {
    if (given !== undefined && reveal !== of) throw new UsageError(`${option} is for --reveal ${of}`)
  }
  only('--keep', keep, 'mask')
  only('--recipient', recipient, 'forward')
  if (keep !== undefined && !(/^\d$/.test(keep) && Number(keep) >= 1 && Number(keep) <= MAX_KEEP))
    throw new UsageError(`--keep takes a number from 1 to ${MAX_KEEP}`)
  if (reveal === 'forward' && recipient === undefined)
    throw new UsageError('--recipient is missing', 'say to whom the value is forwarded')
  if (recipient !== undefined) assertName(recipient)
  if (key !== undefined) assertName(key)
  return {
    purpose,
    manner: {
      ...(reveal === 'full' ? {} : { reveal }),
      ...(keep === undefined ? {} : { keep: Number(keep) }),
      ...(candidate === undefined ? {} : { candidate }),
      ...(recipient === undefined ? {} : { recipient }),
      ...(key === undefined ? {} : { key }),
    },
  }
}

/** @throws UsageError */
export function checkCandidate(candidate: string): string {
  if (candidate === '' || candidate.length > MAX_CANDIDATE)
    throw new UsageError(`the candidate has 1 to ${MAX_CANDIDATE} characters`)
  return candidate
}

function readPurpose(purpose: string | undefined, reason: string | undefined): Wish['purpose'] {
  if (purpose === undefined)
    throw new UsageError('--purpose is missing', 'say what it is for, as in --purpose ship')
  if (!isName(purpose))
    throw new UsageError(`${purpose} is not a purpose`, 'lower-case letters, digits, dots and hyphens')
  if (reason === undefined) return { purpose }
  if (reason.length > MAX_REASON) throw new UsageError(`--reason takes at most ${MAX_REASON} characters`)
  return { purpose, reason }
}

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

/** The refusal of one item, as an error with its next step. */
export function failureOf({ code, free }: Refusal): ClavigerError {
  if (!isErrorCode(code))
    return new ConnectionError('bad-response', `the device refused with an unknown code: ${code}`)
  const hint = free === undefined ? HINTS[code] : nextStep(code, { free })
  return new ClavigerError(code, ERRORS[code].title, {
    ...(hint ? { hint } : {}),
    ...(free === undefined ? {} : { free }),
  })
}
