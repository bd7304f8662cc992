/** `claviger open`: one token, or a table of them, opened by a source of keys for a purpose. */
import { MAX_CIPHERTEXT, opener } from '../../shop/opening/cells.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import {
  checkCandidate,
  failureOf,
  HINTS,
  readWish,
  WISH_OPTIONS,
  WISH_USAGE,
  type WishOptions,
} from '../opening.ts'
import { ROW_OPTIONS, ROW_USAGE, runRows } from '../rows/command.ts'
import { readInput } from '../rows/input.ts'
import { checkField } from '../rows/mapping.ts'
import { runOpening } from '../rows/opening.ts'
import { chooseSource, SOURCE_OPTIONS, SOURCE_USAGE, type SourceOptions, withSource } from '../sources.ts'

export const command: Command = {
  summary: 'open sealed fields for a purpose',
  usage: `claviger open --purpose PURPOSE --field FIELD [--record RECORD] [--reveal HOW] [TOKEN]
claviger open --purpose PURPOSE --rows csv|ndjson --column NAME=FIELD… --record TEMPLATE <in >out

  TOKEN            the token; - or none: read it from standard input
${WISH_USAGE}  --candidate-fd N for equals: read what the value is compared with from file descriptor N instead of
                   the terminal; the answer is true or false
  --field FIELD    the field it was sealed for, such as address.ship
  --record RECORD  the record it was sealed for, such as orders/42; empty if it was bound to none
${SOURCE_USAGE}  --as NAME, --at ADDRESS, --json

A value that is not text is printed as base64url. A table ends early, with whole rows, where the device refuses
all of what comes next, as when a budget is used up.

${ROW_USAGE}`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      { ...COMMON, ...ROW_OPTIONS, ...WISH_OPTIONS, ...SOURCE_OPTIONS, field: { type: 'string' } },
      ['TOKEN?'],
    )
    const { rows } = options
    // Said before anybody is asked for a candidate.
    readWish(options, undefined)
    if (rows === undefined) return openOne(options, positionals as string[], surroundings)
    if (positionals.length > 0 || options.field !== undefined)
      throw new UsageError('--rows takes neither a token nor --field', 'fields are named with --column')
    const wish = readWish(options, await readCandidate(options, surroundings))
    return runOpening(options, surroundings, wish, withWork =>
      runRows({ ...options, rows }, surroundings, {
        verb: { doing: 'opening', done: 'opened' },
        keepBadRows: true,
        hints: HINTS,
        withWork,
      }),
    )
  },
}

interface OneOptions extends WishOptions, SourceOptions {
  field?: string | undefined
  record?: string | undefined
  column: string[]
  'candidate-fd'?: string | undefined
  json?: boolean | undefined
}

async function openOne(
  options: OneOptions,
  [argument = '-']: string[],
  surroundings: Surroundings,
): Promise<number> {
  const { field, record = '', json, column } = options
  if (column.length > 0) throw new UsageError('--column is for --rows')
  if (field === undefined)
    throw new UsageError('--field is missing', 'name the field it was sealed for, as in --field address.ship')
  checkField(field)
  const chosen = await chooseSource(options, surroundings)
  const { terminal, stdin } = surroundings
  const given = argument === '-' ? (await readInput(stdin, MAX_CIPHERTEXT + 2)).toString('utf8') : argument
  const token = given.trim()
  if (token === '') throw new UsageError('there is no token on standard input')
  const wish = readWish(options, await readCandidate(options, surroundings))
  const [outcome] = await withSource(chosen, options, surroundings, source =>
    opener(source, wish)([{ column: '', field, record, text: token }]),
  )
  if ('code' in outcome!) throw failureOf(outcome)
  const { value, isEncoded } = outcome!
  const { reveal } = wish.manner
  if (json) {
    if (reveal === 'equals') terminal.printJson({ equals: value === 'true' })
    else if (reveal === 'forward') terminal.printJson({ jwe: value })
    else terminal.printJson({ value, ...(isEncoded ? { encoding: 'base64url' } : {}) })
  } else {
    terminal.print(terminal.tame(value))
    if (isEncoded) terminal.say('the value is not text: this is its base64url')
  }
  return 0
}

/** What `equals` compares with. It may be the very secret, so it is never an argument. */
async function readCandidate(
  options: { reveal?: string | undefined; 'candidate-fd'?: string | undefined },
  { terminal }: Surroundings,
): Promise<string | undefined> {
  const descriptor = options['candidate-fd']
  if (options.reveal === 'equals')
    return checkCandidate(await terminal.secret('value to compare with', '--candidate-fd', descriptor))
  if (descriptor !== undefined) throw new UsageError('--candidate-fd is for --reveal equals')
  return undefined
}
