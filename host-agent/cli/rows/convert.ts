/**
 * Rows in, rows out, in order: cells are gathered into batches, some batches are under way at once, and memory is bounded
 * by their number.
 */
import type { Outcome, Task } from '../../shop/opening/cells.ts'
import { type Mapping, type Plan, planRow } from './mapping.ts'
import type { GoodRow, Row } from './row.ts'

/** Seals or opens cells; rejects when that is of no use for any other cell. */
export type Work = (tasks: readonly Task[]) => Promise<Outcome[]>

/** What was done so far. */
export interface Tally {
  /** Rows that were written. */
  rows: number
  /** Cells in them that hold something. */
  fields: number
  /** Cells that were sealed or opened. */
  done: number
  /** Of these, how many are not text. */
  encoded: number
  /** Cells that failed and rows that cannot be read, by code. */
  failed: Map<string, number>
  bad: Map<string, number>
  /** Number of the first row with a failure; the first row is 1. */
  firstFailure: number | null
  /** Bytes of input that are done. */
  bytes: number
}

export function newTally(): Tally {
  return {
    rows: 0,
    fields: 0,
    done: 0,
    encoded: 0,
    failed: new Map(),
    bad: new Map(),
    firstFailure: null,
    bytes: 0,
  }
}

export interface Conversion {
  rows: AsyncIterable<Row[]>
  mapping: Mapping
  work: Work
  /** Takes whole rows; resolves when there is room for more. */
  write(text: string): Promise<void>
  /** Counts what was written. */
  tally: Tally
  /** Called when the input is of no more use, so that nobody waits for it. */
  stop(): void
}

const BATCH_CELLS = 100
const BATCH_ROWS = 1000
const BATCH_BYTES = 262_144
const BATCHES_UNDER_WAY = 4

interface Batch {
  rows: { row: Row; plan: Plan | null }[]
  tasks: Task[]
}

/**
 * Converts a table.
 *
 * @throws what `work`, `write` or the reader throws; the rows before that are written whole, and no others
 */
export async function convert({ rows, mapping, work, write, tally, stop }: Conversion): Promise<void> {
  let failure: { error: unknown } | undefined
  let written = Promise.resolve()
  const underWay: Promise<void>[] = []
  const fail = (error: unknown) => {
    if (failure) return
    failure = { error }
    stop()
  }
  try {
    for await (const batch of batchesOf(rows, mapping)) {
      const outcomes = batch.tasks.length > 0 ? work(batch.tasks) : Promise.resolve([])
      // Seen below, in its turn.
      outcomes.catch(() => {})
      written = written
        .then(async () => {
          if (failure) return
          const text = render(batch, await outcomes)
          await write(text.rows)
          count(tally, text.tally, batch.rows.at(-1)!.row.end)
        })
        .catch(fail)
      underWay.push(written)
      if (underWay.length >= BATCHES_UNDER_WAY) await underWay.shift()
      if (failure) break
    }
  } catch (error) {
    // What was read before is of use; whether it can be written comes first.
    await written
    fail(error)
  }
  await written
  if (failure) throw failure.error
}

/** Batches of whole rows. Ends one where the input pauses, so that rows that trickle in come out at once. */
async function* batchesOf(rows: AsyncIterable<Row[]>, mapping: Mapping): AsyncGenerator<Batch> {
  let start = 0
  for await (const arrived of rows) {
    let batch: Batch = { rows: [], tasks: [] }
    for (const row of arrived) {
      const plan = row.kind === 'row' ? planRow(row, mapping) : null
      batch.rows.push({ row, plan })
      batch.tasks.push(...(plan?.tasks ?? []))
      const isFull =
        batch.tasks.length >= BATCH_CELLS || batch.rows.length >= BATCH_ROWS || row.end - start >= BATCH_BYTES
      if (!isFull) continue
      start = row.end
      yield batch
      batch = { rows: [], tasks: [] }
    }
    if (batch.rows.length > 0) yield batch
  }
}

function render(batch: Batch, outcomes: readonly Outcome[]): { rows: string; tally: Tally } {
  const tally = newTally()
  let next = 0
  const texts = batch.rows.map(({ row, plan }) => {
    if (row.kind === 'plain') return row.text
    tally.rows++
    if (row.kind === 'row') {
      const mine = outcomes.slice(next, next + plan!.tasks.length)
      next += mine.length
      return renderRow(row, plan!, mine, tally)
    }
    tally.firstFailure ??= tally.rows
    add(tally.bad, row.fault)
    return row.text
  })
  return { rows: texts.join(''), tally }
}

function renderRow(row: GoodRow, plan: Plan, outcomes: readonly Outcome[], tally: Tally): string {
  const values = new Map<string, string | null>(plan.emptied.map(column => [column, null]))
  const errors = plan.faults.map(({ column, code }) => `${column}:${code}`)
  for (const { code } of plan.faults) add(tally.failed, code)
  for (const [i, { column }] of plan.tasks.entries()) {
    const outcome = outcomes[i]!
    if ('code' in outcome) {
      values.set(column, null)
      errors.push(`${column}:${outcome.code}`)
      add(tally.failed, outcome.code)
    } else {
      values.set(column, outcome.value)
      tally.done++
      if (outcome.isEncoded) tally.encoded++
    }
  }
  tally.fields += plan.tasks.length + plan.emptied.length
  if (errors.length > 0) tally.firstFailure ??= tally.rows
  return row.write(values, errors)
}

function count(total: Tally, part: Tally, bytes: number): void {
  if (part.firstFailure !== null) total.firstFailure ??= total.rows + part.firstFailure
  total.rows += part.rows
  total.fields += part.fields
  total.done += part.done
  total.encoded += part.encoded
  for (const [code, times] of part.failed) add(total.failed, code, times)
  for (const [code, times] of part.bad) add(total.bad, code, times)
  total.bytes = bytes
}

function add(counts: Map<string, number>, code: string, times = 1): void {
  counts.set(code, (counts.get(code) ?? 0) + times)
}
