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

/**
 * Turns a driver's error into one that can be shown and logged.
 *
 * @param doing - what was being done, such as `cust_cards cannot be read`
 */
export function databaseError(doing: string, cause: unknown): DatabaseError {
  if (cause instanceof DatabaseError) return cause
  const { code, sqlState, errcode, column, constraint } = cause as DriverError
  const told = [code, sqlState, errcode, column, constraint].filter(
    part => typeof part === 'string' || typeof part === 'number',
  )
  return new DatabaseError(`${doing}: ${told.join(' ') || 'the database says no more'}`, { cause })
}
