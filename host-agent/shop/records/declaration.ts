/**
 * What a type of records is, and reading the declarations of a shop: JSON, because it says everything and does nothing, and PHP
 * reads the same file (docs/records.md, "Types of your own"; docs/decisions/record-types.md).
 */
import { isName } from '../../../protocol/envelope/context.ts'
import { isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import { RecordTypeError } from './errors.ts'
import { READERS, type Reader, type ReaderName } from './readers.ts'
import { isRefusedInput } from './refused.ts'
import { TYPES } from './types.ts'

/** One input of a record: a column, or what a form asked for. */
export interface Input {
  /** How its text is read. */
  readonly reads: ReaderName
  /** What becomes of the whole of it. */
  readonly keep: 'sealed' | 'readable'
  /** The sealed part that it shares with other inputs, so that one token holds them all; without it, it is one of its own. */
  readonly into?: string
  /** Readable parts that say something of the sealed whole: name of the part → what of what the reader tells. */
  readonly tells?: { readonly [part: string]: string }
  /** Whether a record without it is refused. */
  readonly required?: boolean
}

/** A type of records. */
export interface RecordType {
  /** The input that a value is which is one text and not several. */
  readonly text?: string
  /** By name. Their order is that in which a joined record has them. */
  readonly inputs: { readonly [name: string]: Input }
}

/** Types by name. */
export interface RecordTypes {
  readonly [name: string]: RecordType
}

/**
 * Parses a shop's declarations: a JSON object of types by name, beside ours. One of the same name takes the place of ours. What is
 * unknown is refused, because a property with a wrong letter could leave readable what was to be sealed.
 *
 * @param path - of the file, for the errors
 * @throws RecordTypeError `bad-record-type`, which names the type and what is wrong in it
 */
export function parseTypes(text: string, path: string): RecordTypes {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RecordTypeError(
      `${path}: this is not JSON`,
      'look for a comma or a quotation mark too many or too few',
      cause,
    )
  }
  const types: Record<string, RecordType> = { ...TYPES }
  for (const [name, type] of entriesOf(value, path)) types[name] = typeOf(type, name, `${path}: ${name}`)
  return types
}

function typeOf(value: unknown, name: string, at: string): RecordType {
  checkName(name, at)
  const { text, inputs, ...others } = Object.fromEntries(entriesOf(value, at))
  checkNothingElse(others, at, '"text" and "inputs"')
  const entries = entriesOf(inputs, `${at}: "inputs"`)
  const parsed = Object.fromEntries(entries.map(([input, one]) => [input, inputOf(one, `${at}.${input}`)]))
  for (const [input, { into = input }] of Object.entries(parsed)) {
    // Both names may be in a place that tokens are bound to: card.number, address.rest.
    for (const part of [input, into]) checkName(`${name}.${part}`, `${at}.${input}`)
    if (isForbiddenField(`${name}.${input}`) || isRefusedInput(parsed, input))
      throw new RecordTypeError(
        `${at}.${input}: this must never be stored, not even sealed`,
        'leave it out (PCI DSS 3.3.1)',
      )
  }
  if (!Object.values(parsed).some(({ required }) => required))
    throw new RecordTypeError(
      `${at}: no input is required`,
      'say "required": true of what makes the record one',
    )
  if (Object.values(parsed).filter(({ reads }) => reads === 'country').length > 1)
    throw new RecordTypeError(
      `${at}: there are two countries`,
      'read one of them as "text", or make two types',
    )
  checkParts(parsed, at)
  if (text === undefined) return { inputs: parsed }
  if (typeof text !== 'string' || !Object.hasOwn(parsed, text))
    throw new RecordTypeError(`${at}: "text" names no input`, `name one of ${Object.keys(parsed).join(', ')}`)
  return { text, inputs: parsed }
}

function inputOf(value: unknown, at: string): Input {
  const { reads, keep, into, tells, required = false, ...others } = Object.fromEntries(entriesOf(value, at))
  checkNothingElse(others, at, '"reads", "keep", "into", "tells" and "required"')
  if (typeof reads !== 'string' || !Object.hasOwn(READERS, reads))
    throw new RecordTypeError(
      `${at}: "reads" names no reader`,
      `there are ${Object.keys(READERS).join(', ')}`,
    )
  const name = reads as ReaderName
  const reader: Reader = READERS[name]
  if (keep !== 'sealed' && keep !== 'readable')
    throw new RecordTypeError(`${at}: "keep" is neither`, 'write "sealed" or "readable"')
  if (keep === 'readable' && reader.mustBeSealed)
    throw new RecordTypeError(
      `${at}: what ${name} reads must be sealed`,
      'write "keep": "sealed" (PCI DSS 3.5.1)',
    )
  if (keep === 'readable' && (into !== undefined || tells !== undefined))
    throw new RecordTypeError(`${at}: it is readable already`, 'leave "into" and "tells" to what is sealed')
  if (into !== undefined && typeof into !== 'string')
    throw new RecordTypeError(
      `${at}: "into" is not a name`,
      'name the sealed part that it shares with others',
    )
  if (typeof required !== 'boolean')
    throw new RecordTypeError(`${at}: "required" is neither true nor false`, 'write true or false')
  const told = tells === undefined ? [] : entriesOf(tells, `${at}: "tells"`)
  for (const [part, what] of told) {
    checkName(part, `${at}: "tells"`)
    if (typeof what !== 'string' || !reader.tells.includes(what))
      throw new RecordTypeError(
        `${at}: ${name} does not tell that`,
        reader.tells.length > 0
          ? `it tells ${reader.tells.join(', ')}`
          : 'it tells nothing: leave "tells" out',
      )
  }
  return {
    reads: name,
    keep,
    ...(into === undefined ? {} : { into }),
    ...(told.length === 0 ? {} : { tells: Object.fromEntries(told) as { [part: string]: string } }),
    ...(required ? { required } : {}),
  }
}

/** The one thing that two inputs may tell together: the first of them that knows it does. */
const TOLD_BY_ANY = 'street-number'

/** No part may be two things, or one of them would be lost. */
function checkParts(inputs: { [name: string]: Input }, at: string): void {
  const meanings = new Map<string, string>()
  const claim = (part: string, meaning: string) => {
    if ((meanings.get(part) ?? meaning) !== meaning)
      throw new RecordTypeError(
        `${at}: two inputs make the part "${part.slice(part.indexOf('/') + 1)}"`,
        'give one of them another name',
      )
    meanings.set(part, meaning)
  }
  for (const [name, { keep, into, tells = {} }] of Object.entries(inputs)) {
    claim(`${keep}/${into ?? name}`, into === undefined ? `input ${name}` : `shared ${into}`)
    for (const [part, what] of Object.entries(tells))
      claim(`readable/${part}`, what === TOLD_BY_ANY ? what : `${what} of ${name}`)
  }
}

function entriesOf(value: unknown, at: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    throw new RecordTypeError(
      `${at}: this is not an object with something in it`,
      'docs/records.md has an example',
    )
  return Object.entries(value)
}

function checkName(name: string, at: string): void {
  if (!isName(name))
    throw new RecordTypeError(
      `${at}: this is not a name`,
      '1 to 32 of a-z, 0-9, dot and hyphen, type and input together; the first a letter or a digit',
    )
}

function checkNothingElse(others: object, at: string, there: string): void {
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    throw new RecordTypeError(
      `${at}: there is a property that is none of a declaration's`,
      `there are ${there}`,
    )
}
