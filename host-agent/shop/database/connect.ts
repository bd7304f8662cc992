/** Opens the database that a mapping names; only its driver is loaded. */
import { readFile } from 'node:fs/promises'
import type { Connection, ServerConnection } from '../mapping/connection.ts'
import type { Database } from './database.ts'
import { DatabaseError } from './errors.ts'

/** Environment variable with the password of a server. */
export const PASSWORD_VARIABLE = 'CLAVIGER_DATABASE_PASSWORD'

/** What a driver needs beside the mapping. */
export interface Secrets {
  /** `undefined` where the server asks for none, as over a socket. */
  readonly password: string | undefined
  /** PEM of the authority of the server's certificate; `undefined`: no TLS. */
  readonly authority: string | undefined
}

/**
 * @param env - of the process
 * @throws DatabaseError `database-failed`
 */
export async function connect(connection: Connection, env: NodeJS.ProcessEnv): Promise<Database> {
  if (connection.kind === 'sqlite') return (await import('./sqlite.ts')).openSqlite(connection.file)
  const secrets = await readSecrets(connection, env)
  if (connection.kind === 'mariadb') return (await import('./mariadb.ts')).openMariadb(connection, secrets)
  return (await import('./postgres.ts')).openPostgres(connection, secrets)
}

/** @throws DatabaseError for a file that cannot be read */
export async function readSecrets(
  { passwordFile, authority }: ServerConnection,
  env: NodeJS.ProcessEnv,
): Promise<Secrets> {
  const password = passwordFile === null ? env[PASSWORD_VARIABLE] : await readText(passwordFile)
  return {
    password: password?.replace(/\r?\n$/, ''),
    authority: authority === null ? undefined : await readText(authority),
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new DatabaseError(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause })
  }
}
