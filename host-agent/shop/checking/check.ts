/**
 * Checks a mapping against the live schema, before anything is written: each thing that would end in the middle of sealing, or with a
 * shop that does not work any more, is said here with what to do.
 */
import { MAX_RECORD_LENGTH } from '../../../protocol/envelope/context.ts'
import type { PublicKey } from '../../../protocol/envelope/token.ts'
import type { Column, Database, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import type { Piece } from '../mapping/piece.ts'
import { type Finding, fault, note } from './finding.ts'
import { addSql, hasRoom, partLength, tokenLength, widenSql } from './room.ts'

/** Bytes of the longest card number. */
const CARD_BYTES = 19

/** A table as it is, and what was found in it. */
export interface Checked {
  /** `null` where there is no such table. */
  readonly table: Table | null
  /** Rows, where they could be counted. */
  readonly rows: number
  readonly findings: readonly Finding[]
}

/** @throws DatabaseError `database-failed` */
export async function checkTable(
  database: Database,
  mapping: TableMapping,
  publicKey: PublicKey,
): Promise<Checked> {
  const table = await database.describe(mapping.name)
  if (!table) {
    const finding = fault(mapping.name, 'there is no such table', 'names are told apart by capitals')
    return { table, rows: 0, findings: [finding] }
  }
  const findings = [
    ...tableFindings(mapping, table),
    ...(await keyFindings(database, mapping, table)),
    ...(await columnFindings(database, mapping, table, publicKey)),
  ]
  const rows = table.isView ? 0 : await database.count(table)
  return { table, rows, findings }
}

function tableFindings(mapping: TableMapping, table: Table): Finding[] {
  const { name } = table
  const findings: Finding[] = []
  if (table.isView) findings.push(fault(name, 'this is a view', 'name the table behind it'))
  if (!table.transactional)
    findings.push(
      fault(
        name,
        'its engine has no transactions: a kill could leave it half sealed',
        `ALTER TABLE \`${name}\` ENGINE = InnoDB`,
      ),
    )
  for (const trigger of table.updateTriggers)
    if (!mapping.triggers.includes(trigger))
      findings.push(
        fault(
          name,
          `the trigger ${trigger} runs when a row is sealed: it may keep the plaintext in another table, or change tokens`,
          `look what it does; then drop it, or name it in "triggers" of the mapping`,
        ),
      )
  for (const trigger of mapping.triggers)
    if (!table.updateTriggers.includes(trigger))
      findings.push(note(name, `there is no trigger ${trigger}, which the mapping allows`))
  return findings
}

async function keyFindings(
  database: Database,
  { key, record }: TableMapping,
  table: Table,
): Promise<Finding[]> {
  const missing = key.filter(name => !table.columns.some(column => column.name === name))
  if (missing.length > 0)
    return missing.map(name => fault(`${table.name}.${name}`, 'there is no such column', namesOf(table)))
  const findings: Finding[] = []
  for (const name of key)
    if (columnOf(table, name).holds === 'other')
      findings.push(
        fault(`${table.name}.${name}`, 'its type cannot be a key here', 'keys are integers, texts and UUIDs'),
      )
  const isUnique = table.uniqueKeys.some(
    ({ columns, primary }) =>
      columns.every(name => key.includes(name)) &&
      (primary || columns.every(name => !columnOf(table, name).nullable)),
  )
  if (isUnique || table.isView)
    return [...findings, ...(await recordFindings(database, { key, record }, table))]
  const twice = await database.duplicates(table, key)
  const which = key.join(', ')
  const what =
    twice > 0
      ? `${twice} of its keys occur more than once`
      : 'nothing keeps two rows from having the same key'
  return [
    ...findings,
    fault(
      table.name,
      `${which} is no key: ${what}`,
      twice > 0 ? 'give each row a key of its own' : `make it one: a primary key, or NOT NULL and UNIQUE`,
    ),
  ]
}

/** Names of records are at most 255 bytes. */
async function recordFindings(
  database: Database,
  { key, record }: Pick<TableMapping, 'key' | 'record'>,
  table: Table,
): Promise<Finding[]> {
  let length = Buffer.byteLength(record.filter((_, i) => i % 2 === 0).join(''))
  for (const name of key)
    length += columnOf(table, name).holds === 'text' ? (await database.extent(table, name)).longest : 20
  if (length <= MAX_RECORD_LENGTH) return []
  const what = `its longest key makes a record of up to ${length} bytes, and ${MAX_RECORD_LENGTH} are the most`
  return [fault(table.name, what, 'shorten "record" in the mapping, or use another key')]
}

async function columnFindings(
  database: Database,
  mapping: TableMapping,
  table: Table,
  publicKey: PublicKey,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const longest = new Map<string, number>()
  for (const name of new Set(mapping.pieces.flatMap(({ reads }) => reads))) {
    const column = table.columns.find(column => column.name === name)
    const at = `${table.name}.${name}`
    if (!column) continue
    if (column.holds === 'other' && database.kind !== 'sqlite') {
      findings.push(fault(at, `its type ${column.type} is none for text`, 'texts and integers can be sealed'))
      continue
    }
    const { nulls, notText, longest: bytes, rows } = await database.extent(table, name)
    longest.set(name, bytes)
    if (notText > 0)
      findings.push(
        fault(at, `${notText} of its values are no text`, 'they are blobs or fractions: make texts of them'),
      )
    if (nulls > 0 && nulls < rows) findings.push(note(at, `${nulls} of ${rows} rows have NULL, which stays`))
  }
  findings.push(...legacyFindings(database, mapping, table, publicKey))
  for (const piece of mapping.pieces)
    findings.push(...pieceFindings(database, piece, table, publicKey, longest))
  return findings
}

function pieceFindings(
  { kind }: Database,
  piece: Piece,
  table: Table,
  publicKey: PublicKey,
  longest: ReadonlyMap<string, number>,
): Finding[] {
  const findings: Finding[] = []
  /** Characters that columns need: of tokens and indexes known, of the rest left to reading back. */
  const needs = new Map<string, number>()
  for (const [part, { column }] of piece.sealed)
    needs.set(column, tokenLength(publicKey, partLength(piece, part, longest)))
  for (const { column, bits } of piece.indexes.values()) needs.set(column, Math.ceil(bits / 6))
  const sealed = [...piece.sealed.values()].map(({ column }) => column)
  for (const name of new Set(piece.reads)) {
    const at = `${table.name}.${name}`
    const need = needs.get(name)
    const column = table.columns.find(column => column.name === name)
    if (!column) {
      const isNew = need !== undefined || [...piece.readable.values()].includes(name)
      const hint =
        isNew && ![...piece.inputs.values()].includes(name)
          ? addSql(kind, table.name, name, need ?? 64)
          : namesOf(table)
      findings.push(fault(at, 'there is no such column', hint))
      continue
    }
    if (!piece.writes.includes(name)) continue
    if (column.generated)
      findings.push(fault(at, 'the database computes it', 'seal what it is computed from'))
    if (table.foreign.includes(name))
      findings.push(
        fault(
          at,
          'it is part of a foreign key, which tokens break',
          'drop the foreign key, or keep it readable',
        ),
      )
    findings.push(...roomFindings(kind, table, column, need, longest.get(name) ?? 0))
    if (sealed.includes(name)) findings.push(...uniqueFindings(table, name))
  }
  return findings
}

/** How long the values are knows the device alone: here a card number stands for them, and reading back for the rest. */
function legacyFindings(
  { kind }: Database,
  { legacy }: TableMapping,
  table: Table,
  publicKey: PublicKey,
): Finding[] {
  const need = tokenLength(publicKey, CARD_BYTES)
  return legacy.flatMap(({ column: source, into }) => {
    const targets = [...into.values()]
    return [...new Set([source, ...targets])].flatMap(name => {
      const column = table.columns.find(column => column.name === name)
      if (column) return targets.includes(name) ? roomFindings(kind, table, column, need, CARD_BYTES) : []
      const hint = name === source ? namesOf(table) : addSql(kind, table.name, name, need)
      return [fault(`${table.name}.${name}`, 'there is no such column', hint)]
    })
  })
}

function roomFindings(
  kind: Database['kind'],
  table: Table,
  column: Column,
  need: number | undefined,
  longest: number,
): Finding[] {
  const at = `${table.name}.${column.name}`
  if (need === undefined) return []
  if (column.holds !== 'text' && kind !== 'sqlite')
    return [fault(at, `its type ${column.type} takes no token`, widenSql(kind, table.name, column, need))]
  const room = column.length ?? column.bytes
  if (room === null || hasRoom(column, need)) return []
  return [
    fault(
      at,
      `it takes ${room} characters, and the token of its longest value (${longest} bytes) has up to ${need}`,
      widenSql(kind, table.name, column, need),
    ),
  ]
}

function uniqueFindings(table: Table, name: string): Finding[] {
  return table.uniqueKeys
    .filter(({ columns }) => columns.includes(name))
    .map(key =>
      note(
        `${table.name}.${name}`,
        `the unique key ${key.name} will not find equal values any more: their tokens differ`,
        'a blind index can find them: docs/records.md',
      ),
    )
}

function columnOf(table: Table, name: string): Column {
  return table.columns.find(column => column.name === name)!
}

function namesOf({ columns }: Table): string {
  return `it has ${columns.map(({ name }) => name).join(', ')}`
}
