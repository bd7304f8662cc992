/** What came of the rows of a table, and the sizes that sealing and rewrapping share. */
import type { RowFault } from './codes.ts'

/** Rows of a batch. A batch is a transaction: larger ones keep the shop waiting for longer. */
export const BATCH = 200
/** How often a row is taken again that the shop changed meanwhile. */
export const TRIES = 20
/** Keys of rows that are kept of each fault. */
const MOST_KEYS = 5

/** Rows that stayed as they were, for one reason. */
export interface Fault {
  readonly fault: RowFault
  readonly where: string
  rows: number
  /** Records of the first. */
  readonly first: string[]
}

/** What came of a table. */
export interface TableReport {
  readonly table: string
  /** Rows that the last pass went over. */
  rows: number
  /** Rows that were sealed now, or would be. */
  sealed: number
  /** Rows that were sealed before, in every piece that is not empty. */
  before: number
  /** Rows with nothing to seal. */
  empty: number
  /** Times that a row was taken again because the shop had changed it. */
  again: number
  faults: Fault[]
}

/** Counts a row that stays as it was. @param record - its name */
export function addFault(report: TableReport, fault: RowFault, where: string, record: string): void {
  const known = report.faults.find(each => each.fault === fault && each.where === where)
  if (!known) report.faults.push({ fault, where, rows: 1, first: [record] })
  else if (known.first.length < MOST_KEYS) Object.assign(known, { rows: known.rows + 1 }).first.push(record)
  else known.rows++
}
