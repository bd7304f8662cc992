/** The shop's database on a server, over one connection: what MariaDB and PostgreSQL do in the same way. */
import type { Database, Selection, Table } from './database.ts'
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
import { databaseError } from './errors.ts'
import { serially } from './serially.ts'

/** Asks a statement with its parameters. */
export type Ask = (sql: string, ...parameters: string[]) => Promise<unknown[][]>

/** What differs between the servers. */
export interface Server {
  readonly kind: 'mariadb' | 'postgres'
  readonly dialect: Dialect
  /** Codes of errors after which the same work may succeed. */
  readonly passing: readonly string[]
  /** @returns rows with their cells in the order of the statement */
  all(statement: Statement): Promise<unknown[][]>
  /** @returns how many rows were changed */
  change(statement: Statement): Promise<number>
  /** Runs a statement without parameters and without an answer. */
  order(sql: string): Promise<unknown>
  describe(name: string, ask: Ask): Promise<Table | null>
  close(): Promise<void>
}

export function serverDatabase({
  kind,
  dialect,
  passing,
  all,
  change,
  order,
  describe,
  close,
}: Server): Database {
  const guarded = serially(passing, databaseError)
  const ask: Ask = (sql, ...parameters) => all({ sql, parameters })
  const rows = async (selection: Selection, statement: Statement) =>
    (await all(statement)).map(row => rowOf(selection, row))
  const reading = <T>({ name }: { name: string }, work: () => Promise<T>) =>
    guarded(`${name} cannot be read`, work)
  const number = async (statement: Statement) => Number((await all(statement))[0]![0])
  return {
    kind,
    describe: name => guarded(`${name} cannot be described`, () => describe(name, ask)),
    count: table =>
      reading(table, () => number({ sql: `SELECT count(*) FROM ${dialect.table(table)}`, parameters: [] })),
    extent: (table, column) =>
      guarded(`${table.name}.${column} cannot be read`, async () => {
        const [[rows, nulls, longest, notText] = []] = await ask(extentSql(dialect, table, column))
        return extentOf({ rows, nulls, longest, notText })
      }),
    duplicates: (table, key) =>
      reading(table, () => number({ sql: duplicatesSql(dialect, table, key), parameters: [] })),
    remaining: (table, column, old) =>
      reading(table, () => number(remainingStatement(dialect, table, column, old))),
    boundary: (table, key, after, count) =>
      reading(table, async () => {
        const selection = { table, key, columns: [] }
        const [row] = await rows(selection, boundaryStatement(dialect, selection, after, count))
        return row?.key ?? null
      }),
    page: (selection, after, limit, upTo = null) =>
      reading(selection.table, () =>
        rows(selection, pageStatement(dialect, selection, { after, upTo }, limit)),
      ),
    pick: (selection, keys) =>
      reading(selection.table, () => rows(selection, pickStatement(dialect, selection, keys, false))),
    replace: (selection, replacements) =>
      guarded(`${selection.table.name} cannot be changed`, async () => {
        await order('START TRANSACTION')
        try {
          const replaced: boolean[] = []
          for (const replacement of replacements)
            replaced.push((await change(updateStatement(dialect, selection, replacement))) === 1)
          const written = replacements.filter((_, i) => replaced[i])
          const keys = written.map(({ row }) => row.key)
          const found =
            keys.length === 0 ? [] : await rows(selection, pickStatement(dialect, selection, keys, true))
          checkReadBack(selection, written, found)
          await order('COMMIT')
          return replaced
        } catch (error) {
          await order('ROLLBACK').catch(() => {})
          throw error
        }
      }),
    close,
  }
}
