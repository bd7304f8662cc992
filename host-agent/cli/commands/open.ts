/** `claviger open`: one token, or a table of them, opened by a device for a purpose. */
import { ClavigerError, ERRORS, type ErrorCode, isErrorCode } from '../../../protocol/api/errors.ts'
import { MAX_BODY } from '../../../protocol/api/routes.ts'
import type { DecryptAnswer, DecryptItem } from '../../../protocol/api/schemas.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import type { Appliance } from '../../client/appliance.ts'
import { connectProfile } from '../../client/connect.ts'
import { ConnectionError } from '../../client/errors.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { ROW_OPTIONS, ROW_USAGE, runRows } from '../rows/command.ts'
import type { Outcome, Work } from '../rows/convert.ts'
import { readInput } from '../rows/input.ts'
import { checkField, placeFault } from '../rows/mapping.ts'
import { chooseProfile, withAppliance } from '../session.ts'

/** Longest ciphertext that a request takes, in characters. */
const MAX_CIPHERTEXT = 131_072
/** Left in a request's body for everything besides its items, in bytes. */
const BODY_FRAME = 4096
const MAX_REASON = 255
/** A table outlives a restart of the device's gate, or a cable that is pulled and plugged in again. */
const ROWS_PATIENCE_MS = 15_000

const HINTS: Partial<Record<ErrorCode, string>> = {
  'open-failed': 'field and record must be those that the token was sealed for',
  'not-granted': 'an administrator grants keys when inviting an operator',
  'bad-token': 'a token begins with clv1. and is copied whole',
  'bad-context': 'a record is at most 255 bytes',
}

export const command: Command = {
  summary: 'open sealed fields for a purpose',
  usage: `claviger open --purpose PURPOSE --field FIELD [--record RECORD] [TOKEN]
claviger open --purpose PURPOSE --rows csv|ndjson --column NAME=FIELD… --record TEMPLATE <in >out

  TOKEN            the token; - or none: read it from standard input
  --purpose NAME   what it is for, such as ship; written to the device's log
  --reason TEXT    more about it, for the log
  --field FIELD    the field it was sealed for, such as address.ship
  --record RECORD  the record it was sealed for, such as orders/42; empty if it was bound to none
  --as NAME, --at ADDRESS, --json

A value that is not text is printed as base64url.

${ROW_USAGE}`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        ...ROW_OPTIONS,
        purpose: { type: 'string' },
        reason: { type: 'string' },
        field: { type: 'string' },
      },
      ['TOKEN?'],
    )
    const purpose = readPurpose(options.purpose, options.reason)
    const { rows } = options
    if (rows === undefined) return openOne(purpose, options, positionals as string[], surroundings)
    if (positionals.length > 0 || options.field !== undefined)
      throw new UsageError('--rows takes neither a token nor --field', 'fields are named with --column')
    return runRows({ ...options, rows }, surroundings, {
      verb: { doing: 'opening', done: 'opened' },
      keepBadRows: true,
      hints: HINTS,
      withWork: async use => {
        const profile = await chooseProfile(options, surroundings, ['operator'])
        const appliance = await connectProfile(profile, { patience: { retryFor: ROWS_PATIENCE_MS } })
        try {
          await use(opener(appliance, purpose))
        } finally {
          await appliance.close()
        }
      },
    })
  },
}

interface Purpose {
  purpose: string
  reason?: string
}

function readPurpose(purpose: string | undefined, reason: string | undefined): Purpose {
  if (purpose === undefined)
    throw new UsageError('--purpose is missing', 'say what it is for, as in --purpose ship')
  if (!isName(purpose))
    throw new UsageError(`${purpose} is not a purpose`, 'lower-case letters, digits, dots and hyphens')
  if (reason === undefined) return { purpose }
  if (reason.length > MAX_REASON) throw new UsageError(`--reason takes at most ${MAX_REASON} characters`)
  return { purpose, reason }
}

interface OneOptions {
  field?: string | undefined
  record?: string | undefined
  column: string[]
  json?: boolean | undefined
  as?: string | undefined
  at?: string | undefined
}

async function openOne(
  purpose: Purpose,
  options: OneOptions,
  [argument = '-']: string[],
  surroundings: Surroundings,
): Promise<number> {
  const { field, record = '', json, column } = options
  if (column.length > 0) throw new UsageError('--column is for --rows')
  if (field === undefined)
    throw new UsageError('--field is missing', 'name the field it was sealed for, as in --field address.ship')
  checkField(field)
  const profile = await chooseProfile(options, surroundings, ['operator'])
  const { terminal, stdin } = surroundings
  const given = argument === '-' ? (await readInput(stdin, MAX_CIPHERTEXT + 2)).toString('utf8') : argument
  const token = given.trim()
  if (token === '') throw new UsageError('there is no token on standard input')
  const [outcome] = await withAppliance(profile, appliance =>
    opener(appliance, purpose)([{ column: '', field, record, text: token }]),
  )
  if ('code' in outcome!) throw failure(outcome.code)
  const { value, isEncoded } = outcome!
  if (json) terminal.printJson({ value, ...(isEncoded ? { encoding: 'base64url' } : {}) })
  else {
    terminal.print(terminal.tame(value))
    if (isEncoded) terminal.say('the value is not text: this is its base64url')
  }
  return 0
}

function failure(code: string): ClavigerError {
  if (!isErrorCode(code))
    return new ConnectionError('bad-response', `the device refused with an unknown code: ${code}`)
  const hint = HINTS[code]
  return new ClavigerError(code, ERRORS[code].title, hint ? { hint } : {})
}

/** Opens cells; those that no request would take are refused here, so that one of them never fails a batch. */
function opener(appliance: Appliance, purpose: Purpose): Work {
  return async tasks => {
    const outcomes: Outcome[] = []
    const items: DecryptItem[] = []
    for (const { field, record, text } of tasks) {
      const refusal = placeFault(field, record) ?? (isSendable(text) ? null : 'bad-token')
      if (refusal === null) items.push({ ciphertext: text, context: { field, record } })
      outcomes.push({ code: refusal ?? '' })
    }
    const results: DecryptAnswer['results'] = []
    for (const part of requestsOf(items)) {
      const answer = await appliance.decrypt({ ...purpose, items: part })
      if (answer.results?.length !== part.length)
        throw new ConnectionError('bad-response', 'the answer does not fit the request')
      results.push(...answer.results)
    }
    let next = 0
    return outcomes.map(outcome =>
      'code' in outcome && outcome.code !== '' ? outcome : outcomeOf(results[next++]!),
    )
  }
}

/** Printable ASCII of a length that a request takes. */
function isSendable(text: string): boolean {
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

function outcomeOf({ value, encoding, error }: DecryptAnswer['results'][number]): Outcome {
  if (error) return { code: error.code }
  if (value === undefined) throw new ConnectionError('bad-response', 'the answer holds no value')
  return encoding ? { value, isEncoded: true } : { value }
}
