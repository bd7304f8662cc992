/** PostgreSQL, through `pg`. */
import type { Socket } from 'node:net'
import pg from 'pg'
import type { ServerConnection } from '../mapping/connection.ts'
import type { Secrets } from './connect.ts'
import type { Column, Database } from './database.ts'
import type { Dialect } from './dialect.ts'
import { DatabaseError } from './errors.ts'
import { describePostgres } from './postgres-schema.ts'
import { serverDatabase } from './server-database.ts'

const CONNECT_MS = 10_000
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
export async function connectPostgres(server: ServerConnection, secrets: Secrets): Promise<pg.Client> {
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
    return client
  } catch (cause) {
    // A client that has no password leaves its connection open, and the process with it until the server gives up, a minute later.
    ;(client as unknown as { connection: { stream: Socket } }).connection.stream.destroy()
    const { code } = cause as NodeJS.ErrnoException
    throw new DatabaseError(`the database server cannot be used: ${code ?? 'it says no more'}`, {
      cause,
      hint: 'does it run there, and are user, password, database and schema right?',
    })
  }
}

/** @throws DatabaseError */
export async function openPostgres(server: ServerConnection, secrets: Secrets): Promise<Database> {
  const client = await connectPostgres(server, secrets)
  return serverDatabase({
    kind: 'postgres',
    dialect: dialectOf(server.schema),
    passing: PASSING,
    all: async ({ sql, parameters }) =>
      (await client.query<unknown[]>({ text: sql, values: [...parameters], rowMode: 'array' })).rows,
    change: async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rowCount ?? 0,
    order: sql => client.query(sql),
    describe: (name, ask) => describePostgres(server.schema, name, ask),
    close: () => client.end(),
  })
}
