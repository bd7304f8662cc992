/**
 * The queue of a shared rewrap: ranges of keys in the shop's own database, which any number of workers claim (docs/decisions/shared-rewrap.md).
 * One implementation for each kind of server.
 */
import type { KeyRange } from '../database/database.ts'
import { DatabaseError } from '../database/errors.ts'
import type { TableReport } from '../sealing/report.ts'

/** A piece of the work. */
export interface Range extends KeyRange {
  readonly table: string
}

/** A range that this worker holds. A worker that dies, or is not heard of any more, holds it no longer. */
export interface Claim {
  readonly range: Range
  /** Marks it as done. Where it was not held any more, nothing happens: another worker has it. */
  complete(report: TableReport): Promise<void>
  /** Gives it back for the others. */
  release(): Promise<void>
}

/** How far all workers are together. */
export interface Standing {
  /** Ranges that are not done. */
  readonly open: number
  /** Rows of all tables, as the first worker counted them. */
  readonly total: number
  /** Rows of the ranges that are done. */
  readonly rows: number
  /** Whether the last look was taken, too. */
  readonly ended: boolean
}

/** A worker's connection to the queue. Every method throws DatabaseError `database-failed`. */
export interface Queue {
  /** How a person removes what is left of a queue: a statement. */
  readonly removal: string
  /** Keeps others out of {@link alone} until {@link together}. @returns whether that could be */
  alone(): Promise<boolean>
  together(): Promise<void>
  /** Counts as a worker from here on, until the connection ends. Only {@link alone}. */
  join(): Promise<void>
  /** Counts no more. Only {@link alone}. */
  part(): Promise<void>
  /** Whether no other worker has joined. Only {@link alone}. */
  isOnlyWorker(): Promise<boolean>
  /** @returns what identifies the job in the queue; `null` where there is none, or one that was not filled to its end */
  job(): Promise<string | null>
  /** Makes the queue anew. Only {@link alone}. @param total - rows of all tables */
  fill(job: string, total: number, ranges: readonly Range[]): Promise<void>
  /** @returns `null` where no range is free now */
  claim(): Promise<Claim | null>
  standing(): Promise<Standing>
  /** What came of the ranges that are done; once it ended, of the tables. */
  reports(): Promise<TableReport[]>
  /** Says that nothing is left, and what came of each table. */
  end(reports: readonly TableReport[]): Promise<void>
  /** Removes every trace of it. Only {@link alone}. */
  remove(): Promise<void>
  close(): Promise<void>
}

/** How often a worker tells the server that it lives, ms. */
export const ALIVE_MS = 3000

/** What a driver's error says, for a queue that may lack rights. */
export function queueError(cause: unknown, missing: readonly string[], grant: string): DatabaseError {
  if (cause instanceof DatabaseError) return cause
  const code = String((cause as { code?: unknown }).code ?? 'the database says no more')
  if (missing.includes(code))
    return new DatabaseError(`the user of the database may not keep a queue in it: ${code}`, {
      cause,
      hint: grant,
    })
  return new DatabaseError(`the queue of the shared rewrap cannot be used: ${code}`, { cause })
}
