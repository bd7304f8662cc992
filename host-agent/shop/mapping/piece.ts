/** One thing of a row that is sealed as a whole: a column of text, or a record whose inputs are columns. */
import { isName } from '../../../protocol/envelope/context.ts'
import { isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import { DEFAULT_BITS, MOST_BITS } from '../records/blind-index.ts'
import type { RecordType, RecordTypes } from '../records/declaration.ts'
import { MappingError } from './errors.ts'
import { entriesAt, type Place, propertiesAt, required, textAt } from './json.ts'

/** A column that finds equal values (docs/records.md, "The blind index"). */
export interface Index {
  readonly column: string
  readonly field: string
  readonly bits: number
}

export interface Piece {
  /** Place below the table, such as `sealed.phone`. */
  readonly name: string
  /** Type of the record; `null` for a text that is sealed as it is. */
  readonly type: string | null
  /** Columns of the inputs: of a text, the one input `text`. */
  readonly inputs: ReadonlyMap<string, string>
  /** Columns of the sealed parts, and the fields of their contexts. */
  readonly sealed: ReadonlyMap<string, { readonly column: string; readonly field: string }>
  /** Columns of the readable parts. */
  readonly readable: ReadonlyMap<string, string>
  /** By sealed part. */
  readonly indexes: ReadonlyMap<string, Index>
  /** Country of a record that does not say its own. */
  readonly country: { readonly column: string } | { readonly code: string } | null
  /** Columns of inputs that hold nothing after sealing: what was in them is in another one now. */
  readonly emptied: readonly string[]
  /** Columns that it reads. */
  readonly reads: readonly string[]
  /** Columns that it changes. */
  readonly writes: readonly string[]
}

/** `"phone": "phone.number"`, or `{ "field": …, "index": … }`. */
export function textPieceAt(column: string, place: Place): Piece {
  const given =
    typeof place.value === 'string'
      ? { field: place, index: undefined }
      : propertiesAt(place, ['field', 'index'])
  const field = fieldAt(required(given.field, place.at, 'field'))
  const indexes = given.index ? [['text', indexAt(given.index, field)] as const] : []
  return piece({
    name: `sealed.${column}`,
    type: null,
    inputs: new Map([['text', column]]),
    sealed: new Map([['text', { column, field }]]),
    readable: new Map(),
    indexes: new Map(indexes),
    country: null,
  })
}

/** A record of a type of docs/records.md. */
export function recordPieceAt(label: string, place: Place, types: RecordTypes): Piece {
  const given = propertiesAt(place, ['type', 'inputs', 'sealed', 'readable', 'indexes', 'country'])
  const { at } = place
  const type = textAt(required(given.type, at, 'type'))
  if (!Object.hasOwn(types, type))
    throw new MappingError(
      `${at}.type`,
      'there is no such type of records',
      `there are ${Object.keys(types).join(', ')}`,
    )
  const declared = types[type]!
  const parts = partsOf(declared)
  const inputs = columnsAt(required(given.inputs, at, 'inputs'), Object.keys(declared.inputs))
  const columns = given.sealed ? columnsAt(given.sealed, parts.sealed) : new Map<string, string>()
  const readable = given.readable ? columnsAt(given.readable, parts.readable) : new Map<string, string>()
  for (const [input, { keep, into, required: isRequired }] of Object.entries(declared.inputs)) {
    if (!inputs.has(input)) {
      if (isRequired)
        throw new MappingError(`${at}.inputs.${input}`, 'this is missing', `no ${type} is without it`)
      continue
    }
    const [part, where] = keep === 'sealed' ? [into ?? input, columns] : [input, readable]
    if (!where.has(part))
      throw new MappingError(
        `${at}.${keep}.${part}`,
        `the input ${input} has no column to go to`,
        `name the column that keeps it, as in "${keep}": { "${part}": "COLUMN" }`,
      )
  }
  const sealed = new Map(
    [...columns].map(([part, column]) => [part, { column, field: `${type}.${part}` }] as const),
  )
  const indexes = (given.indexes ? entriesAt(given.indexes) : []).map(([part, each]) => {
    if (!sealed.has(part)) throw new MappingError(each.at, 'this is no sealed part of the record')
    return [part, indexAt(each, `${type}.${part}`)] as const
  })
  return piece({
    name: `records.${label}`,
    type,
    inputs,
    sealed,
    readable,
    indexes: new Map(indexes),
    country: given.country ? countryAt(given.country) : null,
  })
}

function piece(given: Omit<Piece, 'emptied' | 'reads' | 'writes'>): Piece {
  const targets = [
    ...[...given.sealed.values()].map(({ column }) => column),
    ...given.readable.values(),
    ...[...given.indexes.values()].map(({ column }) => column),
  ]
  const sources = [...given.inputs.values()]
  const emptied = sources.filter(column => !targets.includes(column))
  const country = given.country && 'column' in given.country ? [given.country.column] : []
  return {
    ...given,
    emptied,
    reads: [...new Set([...sources, ...targets, ...country])],
    writes: [...targets, ...emptied],
  }
}

function partsOf({ inputs }: RecordType): { sealed: string[]; readable: string[] } {
  const all = Object.entries(inputs)
  return {
    sealed: all.flatMap(([name, { keep, into }]) => (keep === 'sealed' ? [into ?? name] : [])),
    readable: all.flatMap(([name, { keep, tells = {} }]) => [
      ...(keep === 'readable' ? [name] : []),
      ...Object.keys(tells),
    ]),
  }
}

function columnsAt(place: Place, names: readonly string[]): Map<string, string> {
  const columns = new Map(entriesAt(place).map(([name, each]) => [name, textAt(each)]))
  for (const name of columns.keys())
    if (!names.includes(name))
      throw new MappingError(
        `${place.at}.${name}`,
        'the type has nothing of this name here',
        `it has ${[...new Set(names)].join(', ')}`,
      )
  const all = [...columns.values()]
  const twice = all.find((column, i) => all.indexOf(column) !== i)
  if (twice !== undefined) throw new MappingError(place.at, `the column ${twice} is there twice`)
  return columns
}

/** @throws MappingError for what is no field, or one that must never be stored */
export function fieldAt(place: Place): string {
  const field = textAt(place)
  if (!isName(field))
    throw new MappingError(
      place.at,
      'this is not a field',
      '1 to 32 of a-z, 0-9, dot and hyphen, as in phone.number',
    )
  if (isForbiddenField(field))
    throw new MappingError(
      place.at,
      'fields of this class must never be stored, not even sealed',
      'empty the column: a code is for the authorisation alone (PCI DSS 3.3.1)',
    )
  return field
}

function indexAt(place: Place, field: string): Index {
  const { column, bits } = propertiesAt(place, ['column', 'bits'])
  const count = bits === undefined ? DEFAULT_BITS : bits.value
  if (
    !Number.isInteger(count) ||
    (count as number) < 8 ||
    (count as number) > MOST_BITS ||
    (count as number) % 8
  )
    throw new MappingError(`${place.at}.bits`, `this is not a multiple of 8, from 8 to ${MOST_BITS}`)
  return { column: textAt(required(column, place.at, 'column')), field, bits: count as number }
}

function countryAt(place: Place): Piece['country'] {
  if (typeof place.value === 'string') return { code: textAt(place) }
  return { column: textAt(required(propertiesAt(place, ['column']).column, place.at, 'column')) }
}
