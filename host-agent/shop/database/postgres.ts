/** PostgreSQL, through `pg`. */
import pg from 'pg'
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
const TEXTS = ['text', 'character varying', 'character', 'citext', 'uuid', 'name']
const INTEGERS = ['smallint', 'integer', 'bigint']
/** serialization_failure, deadlock_detected, lock_not_available (PostgreSQL, Appendix A). */
const PASSING = ['40001', '40P01', '55P03']

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

/** @param schema - of the tables */
function dialectOf(schema: string): Dialect {
  return {
    quote,
    table: ({ name }) => `${quote(schema)}.${quote(name)}`,
    parameter: index => `$${index}`,
    read: column => `${column}::text`,
    keyValue: (column, parameter) => `${parameter}::text::${castOf(column)}`,
    // Collations may take what differs for equal.
    same: (column, parameter) =>
      `${column}::text COLLATE "C" IS NOT DISTINCT FROM ${parameter}::text COLLATE "C"`,
    value: (column, parameter) => `${parameter}::text::${castOf(column)}`,
    bytes: column => `octet_length(convert_to(${column}::text, 'UTF8'))`,
    notText: () => '0',
    forUpdate: '',
  }
}

/** An assignment through a cast to `varchar(8)` would cut silently: the cast names no length. */
function castOf({ type }: Column): string {
  return type.startsWith('character varying') ? 'varchar' : type.startsWith('character') ? 'bpchar' : type
}

/** @throws DatabaseError */
export async function openPostgres(server: ServerConnection, secrets: Secrets): Promise<Database> {
  const client = new pg.Client({
    host: server.socket ?? server.host,
    port: server.port,
    user: server.user,
    database: server.database,
    ...(secrets.password === undefined ? {} : { password: secrets.password }),
    ...(secrets.authority === undefined ? {} : { ssl: { ca: secrets.authority } }),
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'claviger',
    client_encoding: 'UTF8',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(
      `SET standard_conforming_strings = on; SET search_path = ${quote(server.schema)}, pg_catalog`,
    )
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new DatabaseError(`the database server cannot be used: ${code ?? 'it says no more'}`, {
      cause,
      hint: 'does it run there, and are user, password, database and schema right?',
    })
  }
  const dialect = dialectOf(server.schema)
  const all = async ({ sql, parameters }: Statement) =>
    (await client.query<unknown[]>({ text: sql, values: [...parameters], rowMode: 'array' })).rows
  const rows = async (selection: Selection, statement: Statement) =>
    (await all(statement)).map(row => rowOf(selection, row))
  const guarded = serially(PASSING, databaseError)
  const ask = (sql: string, ...parameters: string[]) => all({ sql, parameters })
  return {
    kind: 'postgres',
    describe: name => guarded(`${name} cannot be described`, () => describe(server.schema, name, ask)),
    count: table =>
      guarded(`${table.name} cannot be read`, async () =>
        Number((await ask(`SELECT count(*) FROM ${dialect.table(table)}`))[0]![0]),
      ),
    extent: (table, column) =>
      guarded(`${table.name}.${column} cannot be read`, async () => {
        const [[rows, nulls, longest, notText] = []] = await ask(extentSql(dialect, table, column))
        return extentOf({ rows, nulls, longest, notText })
      }),
    duplicates: (table, key) =>
      guarded(`${table.name} cannot be read`, async () =>
        Number((await ask(duplicatesSql(dialect, table, key)))[0]![0]),
      ),
    page: (selection, after, limit) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        rows(selection, pageStatement(dialect, selection, after, limit)),
      ),
    pick: (selection, keys) =>
      guarded(`${selection.table.name} cannot be read`, () =>
        rows(selection, pickStatement(dialect, selection, keys, false)),
      ),
    replace: (selection, replacements) =>
      guarded(`${selection.table.name} cannot be changed`, async () => {
        await client.query('BEGIN')
        try {
          const replaced: boolean[] = []
          for (const replacement of replacements) {
            const { sql, parameters } = updateStatement(dialect, selection, replacement)
            replaced.push((await client.query(sql, [...parameters])).rowCount === 1)
          }
          const written = replacements.filter((_, i) => replaced[i])
          const keys = written.map(({ row }) => row.key)
          const found =
            keys.length === 0 ? [] : await rows(selection, pickStatement(dialect, selection, keys, false))
          checkReadBack(selection, written, found)
          await client.query('COMMIT')
          return replaced
        } catch (error) {
          await client.query('ROLLBACK').catch(() => {})
          throw error
        }
      }),
    close: () => client.end(),
  }
}

async function describe(
  schema: string,
  name: string,
  ask: (sql: string, ...parameters: string[]) => Promise<unknown[][]>,
): Promise<Table | null> {
  const [found] = await ask(
    `SELECT c.relkind::text, c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    schema,
    name,
  )
  if (!found) return null
  const oid = String(found[1])
  const columns = await ask(
    `SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, NULL),
     CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN (a.atttypmod - 4)::text END,
     a.attnotnull::text, a.attgenerated::text, c.collname
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation c ON c.oid = a.attcollation
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    oid,
  )
  const indexes = await ask(
    `SELECT c.relname, a.attname, i.indisprimary::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL`,
    oid,
  )
  // Bit 4 of tgtype: the trigger is for UPDATE (pg_trigger.h).
  const triggers = await ask(
    `SELECT tgname FROM pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgtype & 16 <> 0
     AND tgenabled <> 'D'`,
    oid,
  )
  const foreign = await ask(
    `SELECT a.attname FROM pg_constraint k JOIN pg_attribute a
     ON (a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) OR (a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))
     WHERE k.contype = 'f' AND a.attrelid = $1::oid`,
    oid,
  )
  const byIndex = Map.groupBy(indexes, ([index]) => String(index))
  return {
    name,
    isView: !['r', 'p'].includes(String(found[0])),
    transactional: true,
    columns: columns.map(columnFrom),
    uniqueKeys: [...byIndex].map(
      ([index, parts]): UniqueKey => ({
        name: index,
        columns: parts.map(([, column]) => String(column)),
        primary: parts[0]![2] === 'true',
      }),
    ),
    updateTriggers: triggers.map(([trigger]) => String(trigger)),
    foreign: foreign.map(([column]) => String(column)),
  }
}

function columnFrom(row: unknown[]): Column {
  const [name, type, bare, length, notNull, generated, collation] = row.map(value =>
    value === null ? null : String(value),
  )
  return {
    name: name!,
    type: type!,
    holds: TEXTS.includes(bare!) ? 'text' : INTEGERS.includes(bare!) ? 'integer' : 'other',
    length: length ? Number(length) : bare === 'uuid' ? 36 : null,
    bytes: null,
    nullable: notNull !== 'true',
    generated: generated !== '' && generated !== null,
    charset: null,
    collation: collation ?? null,
  }
}
