/** SQLite, through `node:sqlite`. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Cell, Column, Database, Selection, Table, UniqueKey } from './database.ts'
import {
  boundaryStatement,
  checkReadBack,
  type Dialect,
  duplicatesSql,
  extentOf,
  extentSql,
  pageStatement,
  pickStatement,
  remainingStatement,
  rowOf,
  type Statement,
  updateStatement,
} from './dialect.ts'
import { DatabaseError, databaseError } from './errors.ts'

/** How long another writer is waited for, ms. */
const PATIENCE_MS = 30_000
/** Statements that are kept prepared. */
const MOST_STATEMENTS = 50

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

const DIALECT: Dialect = {
  quote,
  table: ({ name }) => quote(name),
  parameter: index => `?${index}`,
  read: column => `CAST(${column} AS TEXT)`,
  // A bare parameter has no affinity, so the column's own is applied to it (https://sqlite.org/datatype3.html, 4.2).
  keyValue: (_column, parameter) => parameter,
  same: (column, parameter) => `CAST(${column} AS TEXT) IS ${parameter} COLLATE BINARY`,
  value: (_column, parameter) => parameter,
  bytes: column => `length(CAST(${column} AS BLOB))`,
  notText: column => `typeof(${column}) NOT IN ('text', 'integer', 'null')`,
  forUpdate: '',
}

/**
 * Opens a database file that is there.
 *
 * @throws DatabaseError
 */
export function openSqlite(path: string): Database {
  let database: DatabaseSync
  try {
    database = new DatabaseSync(`${fileUrl(path)}?mode=rw`, { timeout: PATIENCE_MS })
    // What is replaced is overwritten with zeros in its page, instead of staying there until the page is used again.
    database.exec('PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON')
  } catch (cause) {
    const hint = 'is it there, a database, and may this user write to it and its folder?'
    throw new DatabaseError(`${path} cannot be opened`, { cause, hint })
  }
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string) => {
    const known = prepared.get(sql)
    if (known) return known
    const statement = database.prepare(sql)
    statement.setReadBigInts(true)
    if (prepared.size >= MOST_STATEMENTS) prepared.clear()
    prepared.set(sql, statement)
    return statement
  }
  const all = ({ sql, parameters }: Statement) =>
    prepare(sql).all(...(parameters as Cell[])) as Record<string, unknown>[]
  const rows = (selection: Selection, statement: Statement) =>
    all(statement).map(row => rowOf(selection, Object.values(row)))
  const ask = (sql: string, ...parameters: Cell[]) => all({ sql, parameters })
  const guarded = async <T>(doing: string, work: () => T): Promise<T> => {
    try {
      return work()
    } catch (cause) {
      throw databaseError(doing, cause)
    }
  }
  return {
    kind: 'sqlite',
    describe: name => guarded(`${name} cannot be described`, () => describe(name, ask)),
    count: table =>
      guarded(`${table.name} cannot be read`, () =>
        Number(ask(`SELECT count(*) AS n FROM ${quote(table.name)}`)[0]!.n),
      ),
    extent: (table, column) =>
      guarded(`${table.name}.${column} cannot be read`, () =>
        extentOf(ask(extentSql(DIALECT, table, column))[0]!),
      ),
    duplicates: (table, key) =>
      guarded(`${table.name} cannot be read`, () =>
        Number(ask(duplicatesSql(DIALECT, table, key))[0]!.count),
      ),
    remaining: (table, column, old) =>
      guarded(`${table.name} cannot be read`, () =>
        Number(all(remainingStatement(DIALECT, table, column, old))[0]!.count),
      ),
    boundary: (table, key, after, count) =>
      guarded(`${table.name} cannot be read`, () => {
        const selection = { table, key, columns: [] }
        return rows(selection, boundaryStatement(DIALECT, selection, after, count))[0]?.key ?? null
      }),
    page: (selection, after, limit, upTo = null) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        rows(selection, pageStatement(DIALECT, selection, { after, upTo }, limit)),
      ),
    pick: (selection, keys) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        keys.flatMap(key => rows(selection, pickStatement(DIALECT, selection, [key], false))),
      ),
    replace: (selection, replacements) =>
      guarded(`${selection.table.name} cannot be changed`, () => {
        database.exec('BEGIN IMMEDIATE')
        try {
          const replaced = replacements.map(replacement => {
            const { sql, parameters } = updateStatement(DIALECT, selection, replacement)
            return Number(prepare(sql).run(...(parameters as Cell[])).changes) === 1
          })
          const written = replacements.filter((_, i) => replaced[i])
          const found = written.flatMap(({ row }) =>
            rows(selection, pickStatement(DIALECT, selection, [row.key], false)),
          )
          checkReadBack(selection, written, found)
          database.exec('COMMIT')
          return replaced
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          throw error
        }
      }),
    close: async () => database.close(),
  }
}

function fileUrl(path: string): string {
  return `file:${path.replaceAll('%', '%25').replaceAll('?', '%3f').replaceAll('#', '%23')}`
}

function describe(
  name: string,
  ask: (sql: string, ...parameters: Cell[]) => Record<string, unknown>[],
): Table | null {
  const [found] = ask(
    `SELECT name, type FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')`,
    name,
  )
  if (!found) return null
  const columns = ask('SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)', name)
  const primary = columns
    .filter(({ pk }) => Number(pk) > 0)
    .sort((a, b) => Number(a.pk) - Number(b.pk))
    .map(column => String(column.name))
  const indexes = ask(`SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0`, name)
  const uniqueKeys: UniqueKey[] = [
    ...(primary.length > 0 ? [{ name: 'PRIMARY KEY', columns: primary, primary: true }] : []),
    ...indexes.map(index => ({
      name: String(index.name),
      columns: ask('SELECT name FROM pragma_index_info(?)', String(index.name)).map(column =>
        String(column.name),
      ),
      primary: false,
    })),
  ]
  const foreign = [
    ...ask('SELECT "from" AS name FROM pragma_foreign_key_list(?)', name),
    ...ask(
      `SELECT k."to" AS name FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS k
       WHERE s.type = 'table' AND k."table" = ? COLLATE NOCASE`,
      name,
    ),
  ]
  const triggers = ask(`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?`, name)
  return {
    name,
    isView: found.type === 'view',
    transactional: true,
    columns: columns.map(column => columnFrom(column, primary)),
    uniqueKeys,
    updateTriggers: triggers
      .filter(({ sql }) => /\bUPDATE\b/i.test(String(sql).split(/\bBEGIN\b/i)[0]!))
      .map(trigger => String(trigger.name)),
    foreign: foreign.map(column => String(column.name)),
  }
}

/** Any column of an ordinary table takes text of any length; in a key, only declared types compare as they should. */
function columnFrom(column: Record<string, unknown>, primary: readonly string[]): Column {
  const type = String(column.type)
  return {
    name: String(column.name),
    type,
    holds: /INT/i.test(type) ? 'integer' : /CHAR|CLOB|TEXT/i.test(type) ? 'text' : 'other',
    length: null,
    bytes: null,
    nullable: Number(column.notnull) === 0 && !(primary.length === 1 && primary[0] === column.name),
    generated: Number(column.hidden) > 1,
    charset: null,
    collation: null,
  }
}
