/** Opens the queue in the database that a mapping names; only its driver is loaded. */
import { readSecrets } from '../database/connect.ts'
import { DatabaseError } from '../database/errors.ts'
import type { Connection } from '../mapping/connection.ts'
import type { Queue } from './queue.ts'

/**
 * @param env - of the process
 * @throws DatabaseError `database-failed`, for SQLite always
 */
export async function openQueue(connection: Connection, env: NodeJS.ProcessEnv): Promise<Queue> {
  if (connection.kind === 'sqlite')
    throw new DatabaseError('a SQLite database is a file of one machine, and is not shared', {
      hint: 'leave --shared out: one worker rewraps it',
    })
  const secrets = await readSecrets(connection, env)
  if (connection.kind === 'mariadb')
    return (await import('./mariadb-queue.ts')).openMariadbQueue(connection, secrets)
  return (await import('./postgres-queue.ts')).openPostgresQueue(connection, secrets)
}
