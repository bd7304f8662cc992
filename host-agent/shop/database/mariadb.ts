/** MariaDB and MySQL, through `mysql2`. */
import { type Connection, createConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import type { ServerConnection } from '../mapping/connection.ts'
import type { Secrets } from './connect.ts'
import type { Column, Database, Selection, Table, UniqueKey } from './database.ts'
import {
  checkReadBack,
  type Dialect,
  duplicatesSql,
  extentOf,
  extentSql,
  pageStatement,
  pickStatement,
  rowOf,
  type Statement,
  updateStatement,
} from './dialect.ts'
import { DatabaseError, databaseError } from './errors.ts'
import { serially } from './serially.ts'

const CONNECT_MS = 10_000
const TEXTS = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'uuid']
const INTEGERS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint']
/** A lost deadlock, and a lock that was waited for in vain: the transaction was taken back and can be tried again. */
const PASSING = ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD']

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const bytes = (column: string) => `CAST(CONVERT(${column} USING utf8mb4) AS BINARY)`

const DIALECT: Dialect = {
  quote,
  table: ({ name }) => quote(name),
  parameter: () => '?',
  read: column => `CONVERT(${column} USING utf8mb4)`,
  // Compared as texts, large numbers would become fractions.
  keyValue: (column, parameter) =>
    column.holds === 'integer'
      ? `CAST(${parameter} AS ${/unsigned/i.test(column.type) ? 'UNSIGNED' : 'SIGNED'})`
      : parameter,
  // Collations take capitals, accents and spaces at the end for equal.
  same: (column, parameter) => `${bytes(column)} <=> CAST(${parameter} AS BINARY)`,
  value: (_column, parameter) => parameter,
  bytes: column => `octet_length(${bytes(column)})`,
  notText: () => '0',
  forUpdate: ' FOR UPDATE',
}

/** @throws DatabaseError */
export async function openMariadb(server: ServerConnection, secrets: Secrets): Promise<Database> {
  let connection: Connection
  try {
    connection = await createConnection({
      ...(server.socket === null ? { host: server.host, port: server.port } : { socketPath: server.socket }),
      user: server.user,
      database: server.database,
      ...(secrets.password === undefined ? {} : { password: secrets.password }),
      ...(secrets.authority === undefined ? {} : { ssl: { ca: secrets.authority } }),
      charset: 'utf8mb4_bin',
      connectTimeout: CONNECT_MS,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      rowsAsArray: true,
      disableEval: true,
      flags: ['-LOCAL_FILES'],
    })
    // Strict: what does not fit is refused, not cut.
    await connection.query(`SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'`)
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new DatabaseError(`the database server cannot be used: ${code ?? 'it says no more'}`, {
      cause,
      hint: 'does it run there, and are user, password and database right?',
    })
  }
  connection.on('error', () => {})
  const all = async ({ sql, parameters }: Statement) => {
    const [rows] = await connection.execute<RowDataPacket[][]>(sql, [...parameters])
    return rows as unknown as unknown[][]
  }
  const rows = async (selection: Selection, statement: Statement) =>
    (await all(statement)).map(row => rowOf(selection, row))
  const guarded = serially(PASSING, databaseError)
  const ask = (sql: string, ...parameters: string[]) => all({ sql, parameters })
  return {
    kind: 'mariadb',
    describe: name => guarded(`${name} cannot be described`, () => describe(name, ask)),
    count: table =>
      guarded(`${table.name} cannot be read`, async () =>
        Number((await ask(`SELECT count(*) FROM ${quote(table.name)}`))[0]![0]),
      ),
    extent: (table, column) =>
      guarded(`${table.name}.${column} cannot be read`, async () => {
        const [[rows, nulls, longest, notText] = []] = await ask(extentSql(DIALECT, table, column))
        return extentOf({ rows, nulls, longest, notText })
      }),
    duplicates: (table, key) =>
      guarded(`${table.name} cannot be read`, async () =>
        Number((await ask(duplicatesSql(DIALECT, table, key)))[0]![0]),
      ),
    page: (selection, after, limit) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        rows(selection, pageStatement(DIALECT, selection, after, limit)),
      ),
    pick: (selection, keys) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        rows(selection, pickStatement(DIALECT, selection, keys, false)),
      ),
    replace: (selection, replacements) =>
      guarded(`${selection.table.name} cannot be changed`, async () => {
        await connection.query('START TRANSACTION')
        try {
          const replaced: boolean[] = []
          for (const replacement of replacements) {
            const { sql, parameters } = updateStatement(DIALECT, selection, replacement)
            const [result] = await connection.execute<ResultSetHeader>(sql, [...parameters])
            replaced.push(result.affectedRows === 1)
          }
          const written = replacements.filter((_, i) => replaced[i])
          const keys = written.map(({ row }) => row.key)
          const found =
            keys.length === 0 ? [] : await rows(selection, pickStatement(DIALECT, selection, keys, true))
          checkReadBack(selection, written, found)
          await connection.query('COMMIT')
          return replaced
        } catch (error) {
          await connection.query('ROLLBACK').catch(() => {})
          throw error
        }
      }),
    close: () => connection.end(),
  }
}

async function describe(
  name: string,
  ask: (sql: string, ...parameters: string[]) => Promise<unknown[][]>,
): Promise<Table | null> {
  const [found] = await ask(
    `SELECT t.table_type, coalesce(e.transactions, 'NO') FROM information_schema.tables t
     LEFT JOIN information_schema.engines e ON e.engine = t.engine
     WHERE t.table_schema = database() AND t.table_name = ?`,
    name,
  )
  if (!found) return null
  const columns = await ask(
    `SELECT column_name, column_type, data_type, character_maximum_length, character_octet_length, is_nullable,
     extra, character_set_name, collation_name FROM information_schema.columns
     WHERE table_schema = database() AND table_name = ? ORDER BY ordinal_position`,
    name,
  )
  const indexes = await ask(
    `SELECT index_name, column_name FROM information_schema.statistics
     WHERE table_schema = database() AND table_name = ? AND non_unique = 0 AND sub_part IS NULL
     ORDER BY index_name, seq_in_index`,
    name,
  )
  const triggers = await ask(
    `SELECT trigger_name FROM information_schema.triggers
     WHERE event_object_schema = database() AND event_object_table = ? AND event_manipulation = 'UPDATE'`,
    name,
  )
  const foreign = await ask(
    `SELECT CASE WHEN table_name = ? THEN column_name ELSE referenced_column_name END FROM information_schema.key_column_usage
     WHERE table_schema = database() AND referenced_table_name IS NOT NULL AND ? IN (table_name, referenced_table_name)`,
    name,
    name,
  )
  const byIndex = Map.groupBy(indexes, ([index]) => String(index))
  return {
    name,
    isView: found[0] !== 'BASE TABLE',
    transactional: found[1] === 'YES',
    columns: columns.map(columnFrom),
    uniqueKeys: [...byIndex].map(
      ([index, parts]): UniqueKey => ({
        name: index,
        columns: parts.map(([, column]) => String(column)),
        primary: index === 'PRIMARY',
      }),
    ),
    updateTriggers: triggers.map(([trigger]) => String(trigger)),
    foreign: foreign.map(([column]) => String(column)),
  }
}

function columnFrom(row: unknown[]): Column {
  const [name, type, dataType, length, octets, nullable, extra, charset, collation] = row.map(value =>
    value === null ? null : String(value),
  )
  return {
    name: name!,
    type: type!,
    holds: TEXTS.includes(dataType!) ? 'text' : INTEGERS.includes(dataType!) ? 'integer' : 'other',
    length: length ? Number(length) : null,
    bytes: octets ? Number(octets) : null,
    nullable: nullable === 'YES',
    generated: /GENERATED/i.test(extra ?? ''),
    charset: charset ?? null,
    collation: collation ?? null,
  }
}
