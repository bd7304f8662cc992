/**
 * Splits a record into what is sealed and what stays readable, and joins it again (docs/records.md).
 *
 * Every input is whole in one place, sealed or readable; what is told of a sealed one comes in addition. So joining needs nothing
 * but the wholes, and what a library tells of a number may change with its tables without anything being lost.
 */
import { ForbiddenFieldError, isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import { MAX_PLAINTEXT_LENGTH } from '../../../protocol/envelope/token.ts'
import type { Input, RecordType, RecordTypes } from './declaration.ts'
import { RecordError, RecordTypeError } from './errors.ts'
import { READERS, type Reader } from './readers.ts'
import type { Fault, Reading, Surroundings } from './reading.ts'
import { isRefusedInput } from './refused.ts'
import { TYPES } from './types.ts'

/** What a field token looks like (docs/formats/envelope.md, "Token"). */
const SEALED = /^clv1\.[a-z]\.[a-z0-9.-]+\.\d+\.[\w-]+$/

/** Texts of a record by the names of its inputs. What is empty, `null` or `undefined` is not there. */
export interface Values {
  readonly [input: string]: string | null | undefined
}

/** A record in parts. */
export interface Parts {
  /** To be sealed, each as the field `<type>.<part>`, such as `card.number`. */
  readonly sealed: { readonly [part: string]: string }
  /** For columns that can be searched. */
  readonly readable: { readonly [part: string]: string }
}

export interface SplitOptions extends Surroundings {
  /** {@link TYPES}, where a shop has no types of its own. */
  readonly types?: RecordTypes
}

/**
 * Splits a record.
 *
 * @param type - name of its type
 * @param value - its inputs, or one text for a type that is one
 * @param country - of records that do not say theirs: two letters of ISO 3166-1, or a name
 * @throws RecordError `bad-record`, when it is not one of its type; nothing of it is in the message
 * @throws ForbiddenFieldError `forbidden-field`, when a card comes with its verification code
 * @throws RecordTypeError `bad-record-type`, when there is no such type
 */
export function split(type: string, value: string | Values, options: SplitOptions = {}): Parts {
  const declared = declaredType(type, options.types)
  const given = givenInputs(type, declared, value)
  const readings = readInputs(type, declared, given, options.country)
  const sealed: Record<string, string> = {}
  const readable: Record<string, string> = {}
  const shared = new Map<string, { [input: string]: string }>()
  for (const [name, { text, tells }] of readings) {
    const input = declared.inputs[name]!
    if (input.keep === 'readable') readable[name] = text
    else if (input.into === undefined) sealed[name] = text
    else shared.set(input.into, { ...shared.get(input.into), [name]: text })
    for (const [part, what] of Object.entries(input.tells ?? {})) {
      const told = tells[what]
      if (told !== undefined && !Object.hasOwn(readable, part)) readable[part] = told
    }
  }
  for (const [part, texts] of shared) sealed[part] = JSON.stringify(texts)
  for (const [part, text] of Object.entries(sealed))
    if (Buffer.byteLength(text) > MAX_PLAINTEXT_LENGTH)
      throw new RecordError(
        { type, input: part },
        'too long to be sealed',
        `at most ${MAX_PLAINTEXT_LENGTH} bytes`,
      )
  return { sealed, readable }
}

/**
 * Joins what {@link split} made, with the sealed parts opened: the inputs as they were written out then.
 *
 * @throws RecordError `bad-record`, when there is a part that the type has not, or a shared one that split did not make
 * @throws RecordTypeError `bad-record-type`, when there is no such type
 */
export function join(
  type: string,
  { sealed, readable }: Parts,
  options: Pick<SplitOptions, 'types'> = {},
): { [input: string]: string } {
  const declared = declaredType(type, options.types)
  checkParts(type, declared, { sealed, readable })
  const value: Record<string, string> = {}
  for (const [name, { keep, into }] of Object.entries(declared.inputs)) {
    const place =
      keep === 'readable' ? readable : into === undefined ? sealed : sharedTexts(type, sealed, into)
    if (Object.hasOwn(place, name)) value[name] = place[name]!
  }
  return value
}

/**
 * Names of the readable parts that are not what the sealed ones say: somebody changed them, or a newer library tells something else.
 *
 * @param parts - with the sealed ones opened
 * @throws as {@link split} and {@link join}
 */
export function stale(type: string, parts: Parts, options: SplitOptions = {}): string[] {
  const { readable } = split(type, join(type, parts, options), options)
  const names = new Set([...Object.keys(readable), ...Object.keys(parts.readable)])
  return [...names].filter(name => own(readable, name) !== own(parts.readable, name))
}

function declaredType(name: string, types: RecordTypes = TYPES): RecordType {
  if (Object.hasOwn(types, name)) return types[name]!
  throw new RecordTypeError('there is no such type of records', `there are ${Object.keys(types).join(', ')}`)
}

/** The texts that are there, by name. */
function givenInputs(type: string, declared: RecordType, value: string | Values): Map<string, string> {
  if (typeof value === 'string') {
    if (declared.text === undefined)
      throw new RecordError(
        { type },
        'one text is not enough',
        `give ${Object.keys(declared.inputs).join(', ')}`,
      )
    return givenInputs(type, declared, { [declared.text]: value })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RecordError({ type }, 'not a record', `give ${Object.keys(declared.inputs).join(', ')} by name`)
  const given = new Map<string, string>()
  for (const [name, text] of Object.entries(value)) {
    if (text === '' || text === null || text === undefined) continue
    if (isForbiddenField(`${type}.${name}`) || isRefusedInput(declared.inputs, name))
      throw new ForbiddenFieldError(`${type}.${name}`)
    if (!Object.hasOwn(declared.inputs, name)) {
      const which = /^[\w.-]{1,64}$/.test(name) ? `"${name}"` : 'one'
      throw new RecordError(
        { type },
        `the type has no such input: ${which}`,
        `it has ${Object.keys(declared.inputs).join(', ')}`,
      )
    }
    const place = { type, input: name }
    if (typeof text !== 'string')
      throw new RecordError(place, 'not a text', 'give numbers as text: they lose zeros and digits')
    if (!text.isWellFormed())
      throw new RecordError(place, 'half of a surrogate pair', 'look how the text was decoded')
    if (SEALED.test(text)) throw new RecordError(place, 'sealed already', 'leave it as it is')
    given.set(name, text)
  }
  return given
}

/** Reads what is given, the country first: how the others are read may depend on it. In the order of the declaration. */
function readInputs(
  type: string,
  declared: RecordType,
  given: ReadonlyMap<string, string>,
  country: string | undefined,
): [string, Reading][] {
  const inputs = Object.entries(declared.inputs)
  const read = (name: string, { reads }: Input, text: string, surroundings: Surroundings): Reading => {
    const reader: Reader = READERS[reads]
    return reading(reader.read(text, surroundings), { type, input: name })
  }
  const around = country ? reading(READERS.country.read(country), { type, input: 'country' }).text : undefined
  const [own] = inputs.filter(([, { reads }]) => reads === 'country')
  const written = own && given.get(own[0])
  const there = written === undefined ? around : read(...own!, written, {}).text
  return inputs.flatMap(([name, input]): [string, Reading][] => {
    const text = given.get(name) ?? (name === own?.[0] ? there : undefined)
    if (text !== undefined) return [[name, read(name, input, text, { country: there })]]
    if (input.required)
      throw new RecordError({ type, input: name }, 'missing', 'a record of this type cannot be without it')
    return []
  })
}

function reading(result: Reading | Fault, place: { type: string; input: string }): Reading {
  if ('fault' in result) throw new RecordError(place, result.fault, result.hint)
  return result
}

function checkParts(type: string, declared: RecordType, parts: Parts): void {
  const inputs = Object.entries(declared.inputs)
  const sealed = inputs.flatMap(([name, { keep, into }]) => (keep === 'sealed' ? [into ?? name] : []))
  const readable = inputs.flatMap(([name, { keep, tells = {} }]) => [
    ...(keep === 'readable' ? [name] : []),
    ...Object.keys(tells),
  ])
  for (const [names, texts] of [
    [sealed, parts.sealed],
    [readable, parts.readable],
  ] as const) {
    for (const [name, text] of Object.entries(texts)) {
      if (!names.includes(name))
        throw new RecordError(
          { type },
          'a part that the type has not',
          `it has ${[...new Set(names)].join(', ')}`,
        )
      if (typeof text !== 'string')
        throw new RecordError({ type, input: name }, 'not a text', 'open it first')
    }
  }
}

/** The texts in a shared part. */
function sharedTexts(type: string, sealed: Parts['sealed'], part: string): { [input: string]: string } {
  if (!Object.hasOwn(sealed, part)) return {}
  const wrong = () =>
    new RecordError(
      { type, input: part },
      'not what was sealed here',
      'it may be of another column, or still sealed',
    )
  let value: unknown
  try {
    value = JSON.parse(sealed[part]!)
  } catch {
    // The parser's message quotes what was opened.
    throw wrong()
  }
  const isTexts =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(text => typeof text === 'string')
  if (!isTexts) throw wrong()
  return value as { [input: string]: string }
}

function own(texts: { readonly [name: string]: string }, name: string): string | undefined {
  return Object.hasOwn(texts, name) ? texts[name] : undefined
}
