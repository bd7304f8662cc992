/**
 * The mapping of a shop's database: which tables and columns hold what (docs/shop-database.md, "The mapping"). JSON, because it says
 * everything and does nothing.
 */
import type { PublicKey } from '../../../protocol/envelope/token.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import { parseTypes, type RecordTypes } from '../records/declaration.ts'
import { RecordTypeError } from '../records/errors.ts'
import { TYPES } from '../records/types.ts'
import { type Connection, connectionAt } from './connection.ts'
import { MappingError } from './errors.ts'
import { entriesAt, type Place, propertiesAt, required, textAt, textsAt } from './json.ts'
import { type LegacyColumn, legacyColumnAt } from './legacy.ts'
import { type Piece, recordPieceAt, textPieceAt } from './piece.ts'
import { type RecordTemplate, templateAt } from './record-name.ts'

/** What of a table is sealed. */
export interface TableMapping {
  readonly name: string
  /** Columns of its key. */
  readonly key: readonly string[]
  /** What tokens of a row are bound to. */
  readonly record: RecordTemplate
  readonly pieces: readonly Piece[]
  /** Columns that were encrypted the shop's old way: for rewrapping alone. */
  readonly legacy: readonly LegacyColumn[]
  /** Triggers that somebody looked at: they may run when a row is sealed. */
  readonly triggers: readonly string[]
}

export interface Mapping {
  readonly database: Connection
  /** Text of the public key, `clvp1:…`. */
  readonly publicKey: string
  /** The same in parts. */
  readonly key: PublicKey
  readonly types: RecordTypes
  readonly tables: readonly TableMapping[]
}

/**
 * Parses a mapping.
 *
 * @param path - of the file, for the errors
 * @throws MappingError `bad-mapping`, with the place in the file
 */
export function parseMapping(text: string, path: string): Mapping {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new MappingError(
      path,
      'this is not JSON',
      'look for a comma or a quotation mark too many or too few',
      cause,
    )
  }
  const root = propertiesAt({ at: '', value }, ['database', 'publicKey', 'types', 'tables'])
  const publicKey = textAt(required(root.publicKey, '', 'publicKey'))
  const types = root.types === undefined ? TYPES : typesAt(root.types)
  const tables = entriesAt(required(root.tables, '', 'tables')).map(([name, place]) =>
    tableAt(name, place, types),
  )
  if (tables.length === 0) throw new MappingError('tables', 'there is no table in it')
  return {
    database: connectionAt(required(root.database, '', 'database')),
    publicKey,
    key: keyOf(publicKey),
    types,
    tables,
  }
}

function keyOf(text: string): PublicKey {
  try {
    return parsePublicKey(text)
  } catch (cause) {
    throw new MappingError(
      'publicKey',
      'this is not a public key',
      'claviger admin key show NAME --public prints it',
      cause,
    )
  }
}

function typesAt({ at, value }: Place): RecordTypes {
  try {
    return parseTypes(JSON.stringify(value), at)
  } catch (cause) {
    if (cause instanceof RecordTypeError) throw new MappingError('', cause.message, cause.hint, cause)
    throw cause
  }
}

function tableAt(name: string, place: Place, types: RecordTypes): TableMapping {
  const properties = propertiesAt(place, ['key', 'record', 'sealed', 'records', 'legacy', 'triggers'])
  const key = textsAt(required(properties.key, place.at, 'key'))
  const pieces = [
    ...(properties.sealed ? entriesAt(properties.sealed) : []).map(([column, each]) =>
      textPieceAt(column, each),
    ),
    ...(properties.records ? entriesAt(properties.records) : []).map(([label, each]) =>
      recordPieceAt(label, each, types),
    ),
  ]
  const legacy = (properties.legacy ? entriesAt(properties.legacy) : []).map(([column, each]) =>
    legacyColumnAt(column, each),
  )
  if (pieces.length === 0 && legacy.length === 0)
    throw new MappingError(
      place.at,
      'nothing of it is sealed',
      'name columns in "sealed", "records" or "legacy"',
    )
  checkColumns(place.at, key, pieces)
  checkLegacy(place.at, key, pieces, legacy)
  return {
    name,
    key,
    record: templateAt(properties.record, name, key),
    pieces,
    legacy,
    triggers: properties.triggers ? textsAt(properties.triggers) : [],
  }
}

/** Each column is written by one piece at most, and what one piece empties no other one needs. */
function checkColumns(at: string, key: readonly string[], pieces: readonly Piece[]): void {
  const written = new Map<string, string>()
  for (const piece of pieces) {
    for (const column of piece.writes) {
      const before = written.get(column)
      if (before !== undefined)
        throw new MappingError(
          `${at}.${piece.name}`,
          `the column ${column} is written twice`,
          `see ${before}`,
        )
      if (key.includes(column))
        throw new MappingError(`${at}.${piece.name}`, `the column ${column} is of the key, which must stay`)
      written.set(column, piece.name)
    }
  }
  for (const piece of pieces)
    for (const column of piece.reads) {
      const writer = written.get(column)
      if (writer !== undefined && writer !== piece.name && !isReadableOf(pieces, writer, column))
        throw new MappingError(
          `${at}.${piece.name}`,
          `the column ${column} is sealed or emptied by ${writer}`,
          'a row is sealed as a whole: make it one record',
        )
    }
}

function isReadableOf(pieces: readonly Piece[], name: string, column: string): boolean {
  const piece = pieces.find(each => each.name === name)!
  return [...piece.readable.values()].includes(column)
}

/** Sealing would take what is encrypted for plaintext, so no column is of both. */
function checkLegacy(
  at: string,
  key: readonly string[],
  pieces: readonly Piece[],
  legacy: readonly LegacyColumn[],
): void {
  const taken = new Set([...key, ...pieces.flatMap(({ reads }) => reads)])
  for (const { name, column, into } of legacy)
    for (const each of new Set([column, ...into.values()])) {
      if (taken.has(each))
        throw new MappingError(
          `${at}.${name}`,
          `the column ${each} is of something else too`,
          'what is encrypted the old way has columns of its own',
        )
      taken.add(each)
    }
}
