/** What `claviger open` is told on its command line: for which purpose, and how much of each value; and what it says of a refusal. */
import { ClavigerError, ERRORS, type ErrorCode, isErrorCode } from '../../protocol/api/errors.ts'
import { REVEALS, type Reveal } from '../../protocol/api/routes.ts'
import { isName } from '../../protocol/envelope/context.ts'
import { ConnectionError, nextStep } from '../client/errors.ts'
import type { Refusal, Wish } from '../shop/opening/cells.ts'
import { assertName, UsageError } from './command.ts'

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
