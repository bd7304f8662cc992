/** MariaDB and MySQL, through `mysql2`. */
import { isIP } from 'node:net'
import { checkServerIdentity, type TLSSocket } from 'node:tls'
import { type Connection, createConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import type { ServerConnection } from '../mapping/connection.ts'
import type { Secrets } from './connect.ts'
import type { Database } from './database.ts'
import type { Dialect } from './dialect.ts'
import { DatabaseError } from './errors.ts'
import { describeMariadb } from './mariadb-schema.ts'
import { serverDatabase } from './server-database.ts'

const CONNECT_MS = 10_000
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

/**
 * A connection that takes nothing for granted: names in double quotes, errors where values do not fit, rows as arrays of texts.
 *
 * @throws DatabaseError
 */
export async function connectMariadb(server: ServerConnection, secrets: Secrets): Promise<Connection> {
  const isNamed = isIP(server.host) === 0
  try {
    const connection = await createConnection({
      ...(server.socket === null ? { host: server.host, port: server.port } : { socketPath: server.socket }),
      user: server.user,
      database: server.database,
      ...(secrets.password === undefined ? {} : { password: secrets.password }),
      ...(secrets.authority === undefined ? {} : { ssl: { ca: secrets.authority, verifyIdentity: isNamed } }),
      charset: 'utf8mb4_bin',
      connectTimeout: CONNECT_MS,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      rowsAsArray: true,
      disableEval: true,
      flags: ['-LOCAL_FILES'],
    })
    connection.on('error', () => {})
    if (secrets.authority !== undefined && server.socket === null && !isNamed)
      checkAddress(connection, server.host)
    // Strict: what does not fit is refused, not cut.
    await connection.query(`SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'`)
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
    return connection
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new DatabaseError(`the database server cannot be used: ${code ?? 'it says no more'}`, {
      cause,
      hint: 'does it run there, and are user, password and database right?',
    })
  }
}

/**
 * The driver holds a certificate against a name, and never against an address. So this comes after the password: who has a certificate of the
 * same authority for another machine may be sent that, but no row.
 * @throws where the certificate is not for this address
 */
function checkAddress(connection: Connection, address: string): void {
  const { stream } = (connection as unknown as { connection: { stream: TLSSocket } }).connection
  const fault = checkServerIdentity(address, stream.getPeerCertificate())
  if (!fault) return
  stream.destroy()
  throw fault
}

/** @throws DatabaseError */
export async function openMariadb(server: ServerConnection, secrets: Secrets): Promise<Database> {
  const connection = await connectMariadb(server, secrets)
  return serverDatabase({
    kind: 'mariadb',
    dialect: DIALECT,
    passing: PASSING,
    async all({ sql, parameters }) {
      const [rows] = await connection.execute<RowDataPacket[][]>(sql, [...parameters])
      return rows as unknown as unknown[][]
    },
    async change({ sql, parameters }) {
      const [result] = await connection.execute<ResultSetHeader>(sql, [...parameters])
      return result.affectedRows
    },
    order: sql => connection.query(sql),
    describe: describeMariadb,
    close: () => connection.end(),
  })
}
