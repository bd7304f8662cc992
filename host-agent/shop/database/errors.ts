/** What keeps a shop's database from being worked on. */
import { ClavigerError } from '../../../protocol/api/errors.ts'

/** Code `database-failed`. The message is ours or the server's, and holds no value of a row. */
export class DatabaseError extends ClavigerError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super('database-failed', message, options)
  }
}

/** Properties of a driver's error that name what is wrong without quoting a row: servers put the offending value into their message. */
interface DriverError {
  code?: unknown
  sqlState?: unknown
  errcode?: unknown
  column?: unknown
  constraint?: unknown
}

/** A connection that is no more: of sockets and mysql2, and SQLSTATE of a server that shuts down or starts (PostgreSQL, Appendix A). */
const LOST = /^(ECONNRESET|EPIPE|PROTOCOL_CONNECTION_LOST|ER_SERVER_SHUTDOWN|08...|57P0[123])$/
/** What drivers say of it without a code. */
const SAID_LOST =
  /^(Connection terminated|Client has encountered a connection error|Can't add new command when)/

/**
 * Turns a driver's error into one that can be shown and logged.
 *
 * @param doing - what was being done, such as `cust_cards cannot be read`
 */
export function databaseError(doing: string, cause: unknown): DatabaseError {
  if (cause instanceof DatabaseError) return cause
  const { code, sqlState, errcode, column, constraint } = cause as DriverError
  if (LOST.test(String(code ?? '')) || (code === undefined && SAID_LOST.test((cause as Error).message)))
    return new DatabaseError(`${doing}: the connection to the database server was lost`, {
      cause,
      hint: 'does the server run? start the command again when it does',
    })
  const told = [code, sqlState, errcode, column, constraint].filter(
    part => typeof part === 'string' || typeof part === 'number',
  )
  return new DatabaseError(`${doing}: ${told.join(' ') || 'the database says no more'}`, { cause })
}
