/** The SQL that the three databases share, with what differs between them as parameters. */
import type { Cell, Column, Extent, KeyRange, Old, Replacement, Row, Selection, Table } from './database.ts'
import { DatabaseError } from './errors.ts'

/** How a database writes things. */
export interface Dialect {
  /** A name in its quotation marks. */
  quote(name: string): string
  /** The table with its schema. */
  table(table: Table): string
  /** The `index`-th parameter, from 1. */
  parameter(index: number): string
  /** A column read as text. */
  read(column: string): string
  /** A parameter as a value that compares with a column of the key by its index. */
  keyValue(column: Column, parameter: string): string
  /** Whether a column is byte for byte the text of a parameter, or both are NULL. */
  same(column: string, parameter: string): string
  /** A parameter as a value of a column. */
  value(column: Column, parameter: string): string
  /** Length of a column's text in bytes of UTF-8. */
  bytes(column: string): string
  /** How many values of a column are no text, as an expression to sum. */
  notText(column: string): string
  /** A clause that keeps the rows that were read from changing until the transaction ends. */
  readonly forUpdate: string
}

/** A statement and its parameters. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly Cell[]
}

/** Collects parameters in the order in which the statement names them. */
function statement(dialect: Dialect, write: (parameter: (value: Cell) => string) => string): Statement {
  const parameters: Cell[] = []
  const sql = write(value => {
    parameters.push(value)
    return dialect.parameter(parameters.length)
  })
  return { sql, parameters }
}

export function columnOf(table: Table, name: string): Column {
  const column = table.columns.find(column => column.name === name)
  if (!column) throw new DatabaseError(`${table.name} has no column ${name}`)
  return column
}

/** Rows of a range of keys, in their order. */
export function pageStatement(
  dialect: Dialect,
  selection: Selection,
  range: KeyRange,
  limit: number,
): Statement {
  return statement(
    dialect,
    parameter =>
      `${select(dialect, selection)}${whereIn(dialect, selection, range, parameter)} ${order(dialect, selection)} LIMIT ${limit}`,
  )
}

/** The key of the `count`-th row after a key. */
export function boundaryStatement(
  dialect: Dialect,
  selection: Selection,
  after: readonly string[] | null,
  count: number,
): Statement {
  const range = { after, upTo: null }
  return statement(
    dialect,
    parameter =>
      `${select(dialect, selection)}${whereIn(dialect, selection, range, parameter)} ${order(dialect, selection)} LIMIT 1 OFFSET ${count - 1}`,
  )
}

/** How many values of a column are like one of the patterns, or are no token. */
export function remainingStatement(
  dialect: Dialect,
  table: Table,
  column: string,
  { patterns, plain }: Old,
): Statement {
  return statement(dialect, parameter => {
    const text = dialect.read(dialect.quote(column))
    const alternatives = patterns.map(pattern => `${text} LIKE ${parameter(pattern)}`)
    if (plain) alternatives.push(`(${text} NOT LIKE ${parameter('clv1.%')} AND ${text} <> ${parameter('')})`)
    return `SELECT count(*) AS "count" FROM ${dialect.table(table)} WHERE ${alternatives.join(' OR ') || '1 = 0'}`
  })
}

/** The rows of some keys. */
export function pickStatement(
  dialect: Dialect,
  selection: Selection,
  keys: readonly (readonly string[])[],
  locked: boolean,
): Statement {
  return statement(dialect, parameter => {
    const rows = keys.map(key => `(${keyIs(dialect, selection, key, parameter)})`)
    return `${select(dialect, selection)} WHERE ${rows.join(' OR ')}${locked ? dialect.forUpdate : ''}`
  })
}

export function updateStatement(
  dialect: Dialect,
  selection: Selection,
  { row, values }: Replacement,
): Statement {
  const { table, columns } = selection
  return statement(dialect, parameter => {
    const set = [...values].map(
      ([name, value]) => `${dialect.quote(name)} = ${dialect.value(columnOf(table, name), parameter(value))}`,
    )
    const where = [
      keyIs(dialect, selection, row.key, parameter),
      ...columns.map((name, i) => dialect.same(dialect.quote(name), parameter(row.cells[i]!))),
    ]
    return `UPDATE ${dialect.table(table)} SET ${set.join(', ')} WHERE ${where.join(' AND ')}`
  })
}

export function extentSql(dialect: Dialect, table: Table, column: string): string {
  const name = dialect.quote(column)
  return (
    `SELECT count(*) AS "rows", count(*) - count(${name}) AS "nulls", coalesce(max(CASE WHEN ${dialect.read(name)} LIKE 'clv1.%' THEN 0 ELSE ${dialect.bytes(name)} END), 0) AS "longest", ` +
    `coalesce(sum(${dialect.notText(name)}), 0) AS "notText" FROM ${dialect.table(table)}`
  )
}

export function duplicatesSql(dialect: Dialect, table: Table, key: readonly string[]): string {
  const names = key.map(name => dialect.quote(name)).join(', ')
  return `SELECT count(*) AS "count" FROM (SELECT 1 AS one FROM ${dialect.table(table)} GROUP BY ${names} HAVING count(*) > 1) AS twice`
}

export function extentOf(row: Record<string, unknown>): Extent {
  const { rows, nulls, longest, notText } = row
  return { rows: Number(rows), nulls: Number(nulls), longest: Number(longest), notText: Number(notText) }
}

/** @param values - texts of the key, then of the columns */
export function rowOf({ key }: Selection, values: readonly unknown[]): Row {
  const texts = values.map(value => (value === null || value === undefined ? null : String(value)))
  const keys = texts.slice(0, key.length)
  if (keys.includes(null)) throw new DatabaseError('a column of the key is NULL')
  return { key: keys as string[], cells: texts.slice(key.length) }
}

/**
 * Compares what was written with what is there now.
 *
 * @throws DatabaseError where the database made something else of it
 */
export function checkReadBack(
  selection: Selection,
  written: readonly Replacement[],
  found: readonly Row[],
): void {
  const byKey = new Map(found.map(row => [JSON.stringify(row.key), row]))
  for (const { row, values } of written) {
    const now = byKey.get(JSON.stringify(row.key))
    for (const [i, name] of selection.columns.entries()) {
      const wanted = values.has(name) ? values.get(name)! : row.cells[i]!
      if (now?.cells[i] !== wanted)
        throw new DatabaseError(`${selection.table.name}.${name} does not keep what is written into it`, {
          hint: 'a trigger changes it, or the column cuts it; nothing of this batch was changed',
        })
    }
  }
}

function select(dialect: Dialect, { table, key, columns }: Selection): string {
  const wanted = [...key, ...columns].map((name, i) => `${dialect.read(dialect.quote(name))} AS c${i}`)
  return `SELECT ${wanted.join(', ')} FROM ${dialect.table(table)}`
}

function order(dialect: Dialect, { key }: Selection): string {
  return `ORDER BY ${key.map(name => dialect.quote(name)).join(', ')}`
}

/** The conditions are spelled out: not every planner uses an index for `(a, b) > (x, y)`. */
function whereIn(
  dialect: Dialect,
  { table, key }: Selection,
  { after, upTo }: KeyRange,
  parameter: (value: Cell) => string,
): string {
  const beyond = (limit: readonly string[], operator: '>' | '<', last: '>' | '<=') => {
    const compare = (i: number, operator: string) =>
      `${dialect.quote(key[i]!)} ${operator} ${dialect.keyValue(columnOf(table, key[i]!), parameter(limit[i]!))}`
    if (key.length === 1) return compare(0, last)
    const first = compare(0, `${operator}=`)
    const alternatives = key.map((_, i) =>
      [
        ...key.slice(0, i).map((_, before) => compare(before, '=')),
        compare(i, i === key.length - 1 ? last : operator),
      ].join(' AND '),
    )
    return `${first} AND (${alternatives.join(' OR ')})`
  }
  const conditions = [
    ...(after === null ? [] : [beyond(after, '>', '>')]),
    ...(upTo === null ? [] : [beyond(upTo, '<', '<=')]),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

function keyIs(
  dialect: Dialect,
  { table, key }: Selection,
  values: readonly string[],
  parameter: (value: Cell) => string,
): string {
  return key
    .map(
      (name, i) =>
        `${dialect.quote(name)} = ${dialect.keyValue(columnOf(table, name), parameter(values[i]!))}`,
    )
    .join(' AND ')
}
