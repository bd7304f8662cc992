/**
 * Seals the rows of a table in place. What is sealed already tells its own form, so there is no progress to keep: after a kill the
 * next run goes on with what is still open. A row is replaced as a whole or not at all, and only if it is what was read.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Cell, Database, Replacement, Row, Selection, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import { recordName } from '../mapping/record-name.ts'
import { type PiecePlan, planPiece, type Sealing } from './piece-plan.ts'
import { addFault, BATCH, type TableReport, TRIES } from './report.ts'

/** Passes over a table: rows that came in behind the place where the last one was are in the next. */
const PASSES = 3

export interface SealOptions {
  readonly dryRun: boolean
  /** @param rows - gone over since the start, with those of earlier passes */
  readonly onProgress?: (rows: number) => void
  readonly signal?: AbortSignal
}

/** @throws DatabaseError; nothing of its batch was changed then */
export async function sealTable(
  database: Database,
  mapping: TableMapping,
  table: Table,
  sealing: Sealing,
  { dryRun, onProgress, signal }: SealOptions,
): Promise<TableReport> {
  const columns = [...new Set(mapping.pieces.flatMap(({ reads }) => reads))]
  const selection: Selection = { table, key: mapping.key, columns }
  const report: TableReport = {
    table: table.name,
    rows: 0,
    sealed: 0,
    before: 0,
    empty: 0,
    again: 0,
    faults: [],
  }
  let gone = 0
  for (let pass = 0; pass < PASSES; pass++) {
    const sealedBefore = report.sealed
    Object.assign(report, { rows: 0, ...(pass === 0 ? {} : { faults: [] }) })
    let after: readonly string[] | null = null
    for (;;) {
      signal?.throwIfAborted()
      // SQLite answers at once: without this the event loop would never turn, and no signal be heard.
      await turn()
      const rows: Row[] = await database.page(selection, after, BATCH)
      if (rows.length === 0) break
      const counted = pass === 0 ? report : { ...report }
      await sealRows(database, mapping, selection, rows, sealing, counted, dryRun)
      // Later passes see what the first one sealed as sealed before.
      if (pass > 0) Object.assign(report, { sealed: counted.sealed, again: counted.again })
      report.rows += rows.length
      gone += rows.length
      onProgress?.(gone)
      after = rows.at(-1)!.key
    }
    if (dryRun || report.sealed === sealedBefore) break
  }
  return report
}

async function sealRows(
  database: Database,
  mapping: TableMapping,
  selection: Selection,
  rows: readonly Row[],
  sealing: Sealing,
  report: TableReport,
  dryRun: boolean,
): Promise<void> {
  let left = rows
  for (let tries = 0; left.length > 0; tries++) {
    const plans = left.map(row => planRow(mapping, selection, row, sealing))
    const replacements = plans.flatMap(({ replacement }) => replacement ?? [])
    const replaced =
      dryRun || replacements.length === 0
        ? replacements.map(() => true)
        : await database.replace(selection, replacements)
    const taken = new Set(replacements.filter((_, i) => !replaced[i]))
    // What is taken again is counted as it is then.
    for (const plan of plans) if (!plan.replacement || !taken.has(plan.replacement)) count(plan, report)
    if (taken.size === 0) return
    report.again += taken.size
    const keys = [...taken].map(({ row }) => row.key)
    if (tries === TRIES) {
      for (const key of keys) addFault(report, 'changing', selection.table.name, nameOf(mapping, key))
      return
    }
    left = await database.pick(selection, keys)
  }
}

/** What becomes of a row. */
interface RowPlan {
  readonly record: string
  /** `null` where it stays as it is. */
  readonly replacement: Replacement | null
  readonly isSealed: boolean
  readonly refused: readonly (PiecePlan & { is: 'refused' })[]
}

function planRow(mapping: TableMapping, { columns }: Selection, row: Row, sealing: Sealing): RowPlan {
  const cells = new Map<string, Cell>(columns.map((column, i) => [column, row.cells[i]!]))
  const record = nameOf(mapping, row.key)
  const plans = mapping.pieces.map(piece => planPiece(piece, cells, record, sealing))
  const values = new Map<string, Cell>(plans.flatMap(plan => (plan.is === 'open' ? [...plan.values] : [])))
  return {
    record,
    // The other pieces of a refused row are sealed: what can be is not left open for what cannot.
    replacement: values.size > 0 ? { row, values } : null,
    isSealed: plans.some(({ is }) => is === 'sealed'),
    refused: plans.filter(plan => plan.is === 'refused'),
  }
}

function count({ record, replacement, isSealed, refused }: RowPlan, report: TableReport): void {
  for (const { fault, where } of refused) addFault(report, fault, where, record)
  if (replacement) report.sealed++
  else if (refused.length === 0) report[isSealed ? 'before' : 'empty']++
}

function nameOf({ record, key }: TableMapping, values: readonly string[]): string {
  return recordName(record, key, values)
}
