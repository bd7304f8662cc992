/**
 * Seals the rows of a table in place. What is sealed already tells its own form, so there is no progress to keep: after a kill the
 * next run goes on with what is still open. A row is replaced as a whole or not at all, and only if it is what was read.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Cell, Database, Replacement, Row, Selection, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import { recordName } from '../mapping/record-name.ts'
import { planPiece, type Sealing } from './piece-plan.ts'
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
    const replacements = left.flatMap(row => {
      const replacement = planRow(mapping, selection, row, sealing, report)
      return replacement ? [replacement] : []
    })
    if (dryRun || replacements.length === 0) {
      report.sealed += replacements.length
      return
    }
    const replaced = await database.replace(selection, replacements)
    report.sealed += replaced.filter(Boolean).length
    const changed = replacements.filter((_, i) => !replaced[i]).map(({ row }) => row.key)
    if (changed.length === 0) return
    report.again += changed.length
    if (tries === TRIES) {
      for (const key of changed) addFault(report, 'changing', selection.table.name, nameOf(mapping, key))
      return
    }
    left = await database.pick(selection, changed)
  }
}

/** @returns what the row becomes; `null` where it stays as it is, which is counted */
function planRow(
  mapping: TableMapping,
  { columns }: Selection,
  row: Row,
  sealing: Sealing,
  report: TableReport,
): Replacement | null {
  const cells = new Map<string, Cell>(columns.map((column, i) => [column, row.cells[i]!]))
  const record = nameOf(mapping, row.key)
  const values = new Map<string, Cell>()
  let isSealed = false
  let isRefused = false
  for (const piece of mapping.pieces) {
    const plan = planPiece(piece, cells, record, sealing)
    if (plan.is === 'sealed') isSealed = true
    else if (plan.is === 'open') for (const [column, value] of plan.values) values.set(column, value)
    else if (plan.is === 'refused') {
      isRefused = true
      addFault(report, plan.fault, plan.where, record)
    }
  }
  // The other pieces of a refused row are sealed: what can be is not left open for what cannot.
  if (values.size > 0) return { row, values }
  if (isSealed && !isRefused) report.before++
  else if (!isRefused) report.empty++
  return null
}

function nameOf({ record, key }: TableMapping, values: readonly string[]): string {
  return recordName(record, key, values)
}
