/** How many characters a column needs for what sealing writes into it. */
import { FIELD_SUITES, KEMS, TAG_LENGTH } from '../../../protocol/envelope/suites.ts'
import { MAX_PLAINTEXT_LENGTH, type PublicKey } from '../../../protocol/envelope/token.ts'
import type { Column, Database } from '../database/database.ts'
import type { Piece } from '../mapping/piece.ts'

/** Digits of a version that there is room for: keys are rotated, and a longer version must fit too. */
const VERSION_DIGITS = 4
/** What a record type may add to a value: a country's prefix, an extension. */
const RECORD_SLACK = 16

/**
 * Length of a token in characters (docs/formats/envelope.md, "Token").
 *
 * @param bytes - of the plaintext
 */
export function tokenLength({ suite, key }: Pick<PublicKey, 'suite' | 'key'>, bytes: number): number {
  const body = KEMS[FIELD_SUITES[suite].kem].encapsulatedLength + bytes + TAG_LENGTH
  return 'clv1.x.'.length + key.length + 1 + VERSION_DIGITS + 1 + Math.ceil((body * 4) / 3)
}

/**
 * Bytes of the longest value that a sealed part can be, by the longest values of its inputs.
 *
 * @param longest - bytes, by column
 */
export function partLength(piece: Piece, part: string, longest: ReadonlyMap<string, number>): number {
  if (piece.type === null) return longest.get(piece.inputs.get('text')!) ?? 0
  const own = piece.inputs.get(part)
  const bytes = own
    ? (longest.get(own) ?? 0) + RECORD_SLACK
    : // Several inputs as JSON: names, quotation marks, and some characters in two.
      [...piece.inputs].reduce(
        (sum, [input, column]) => sum + input.length + 6 + Math.ceil((longest.get(column) ?? 0) * 1.25),
        RECORD_SLACK,
      )
  return Math.min(bytes, MAX_PLAINTEXT_LENGTH)
}

/** The type that a column is given to hold `length` characters of ASCII. */
function roomyType(kind: Database['kind'], length: number): string {
  if (kind !== 'mariadb') return kind === 'sqlite' ? 'TEXT' : 'text'
  if (length <= 1024) return `varchar(${Math.ceil(length / 64) * 64})`
  return length <= 65_535 ? 'text' : 'mediumtext'
}

/**
 * The statement that makes a column as wide. It keeps its character set: there is plaintext in it, of which ASCII may have half, and a server
 * that is not strict would put question marks for the rest.
 */
export function widenSql(kind: Database['kind'], table: string, column: Column, length: number): string {
  const type = roomyType(kind, length)
  if (kind === 'postgres') return `ALTER TABLE "${table}" ALTER COLUMN "${column.name}" TYPE ${type}`
  const set = column.charset === null ? '' : ` CHARACTER SET ${column.charset} COLLATE ${column.collation}`
  return `ALTER TABLE \`${table}\` MODIFY \`${column.name}\` ${type}${set}${column.nullable ? ' NULL' : ' NOT NULL'}`
}

/** The statement that adds a column. */
export function addSql(kind: Database['kind'], table: string, column: string, length: number): string {
  const quote = (name: string) => (kind === 'mariadb' ? `\`${name}\`` : `"${name}"`)
  const set = kind === 'mariadb' ? ' CHARACTER SET ascii COLLATE ascii_bin' : ''
  return `ALTER TABLE ${quote(table)} ADD COLUMN ${quote(column)} ${roomyType(kind, length)}${set} NULL`
}

/** Whether a column has room for so many characters of ASCII. */
export function hasRoom(column: Column, length: number): boolean {
  return (column.length ?? length) >= length && (column.bytes ?? length) >= length
}
