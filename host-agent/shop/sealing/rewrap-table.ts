/**
 * Moves the rows of a table to the newest version of the key, or from a shop's old encryption to tokens. The device opens and seals; what
 * comes and goes here is ciphertext. A row whose tokens have the mapping's key and version is done, so a run can be killed and repeated.
 */
import { ClavigerError, ERRORS, type ErrorCode, isErrorCode } from '../../../protocol/api/errors.ts'
import { MAX_REWRAP } from '../../../protocol/api/routes.ts'
import type { RewrapAnswer } from '../../../protocol/api/schemas.ts'
import type { PublicKey } from '../../../protocol/envelope/token.ts'
import { ConnectionError, nextStep } from '../../client/errors.ts'
import type { KeySource } from '../../client/sources/source.ts'
import type { Cell, Database, KeyRange, Replacement, Row, Selection, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import { recordName } from '../mapping/record-name.ts'
import { addFault, BATCH, type TableReport, TRIES } from './report.ts'
import { rowWants, valuesOf, type Wanted } from './rewrap-plan.ts'

/** Characters of ciphertext in one request: what a body may be is four times as much. */
const REQUEST_CHARACTERS = 262_144
/** Refusals that would meet every row that follows, too. */
const FOR_ALL: readonly string[] = [
  'over-budget',
  'not-granted',
  'outside-hours',
  'too-many-tries',
  'touch-missing',
  'unknown-key',
  'key-retired',
] satisfies ErrorCode[]

export interface Rewrapping {
  readonly source: Pick<KeySource, 'rewrap'>
  /** Text of {@link key}, where that is a key of another source than the one that opens. */
  readonly under?: string
  readonly purpose: string
  readonly reason?: string
  readonly key: PublicKey
  /** Another key whose tokens are moved to {@link key}. */
  readonly from?: string
  readonly isNullable: (column: string) => boolean
  readonly onProgress?: (rows: number) => void
}

const WHOLE: KeyRange = { after: null, upTo: null }

/**
 * @param range - of the table's keys, where another worker does the others
 * @throws ClavigerError of the source, where it refuses what every row asks for; rows before that are done
 * @throws DatabaseError; nothing of its batch was changed then
 */
export async function rewrapTable(
  database: Database,
  mapping: TableMapping,
  table: Table,
  rewrapping: Rewrapping,
  range: KeyRange = WHOLE,
): Promise<TableReport> {
  const columns = new Set([
    ...mapping.pieces.flatMap(({ sealed }) => [...sealed.values()].map(({ column }) => column)),
    ...mapping.legacy.flatMap(({ column, into }) => [column, ...into.values()]),
  ])
  const selection: Selection = { table, key: mapping.key, columns: [...columns] }
  const report: TableReport = {
    table: table.name,
    rows: 0,
    sealed: 0,
    before: 0,
    empty: 0,
    again: 0,
    faults: [],
  }
  let { after } = range
  for (;;) {
    const rows: Row[] = await database.page(selection, after, BATCH, range.upTo)
    if (rows.length === 0) return report
    let left: readonly Row[] = rows
    for (let tries = 0; left.length > 0 && tries < TRIES; tries++)
      left = await rewrapRows(database, mapping, selection, left, rewrapping, report)
    for (const { key } of left) addFault(report, 'changing', table.name, nameOf(mapping, key))
    report.rows += rows.length
    rewrapping.onProgress?.(report.rows)
    after = rows.at(-1)!.key
  }
}

/** @returns rows that the shop changed meanwhile, as they are now */
async function rewrapRows(
  database: Database,
  mapping: TableMapping,
  selection: Selection,
  rows: readonly Row[],
  rewrapping: Rewrapping,
  report: TableReport,
): Promise<readonly Row[]> {
  const asked: { row: Row; wanted: Wanted }[] = []
  for (const row of rows) {
    const cells = new Map<string, Cell>(selection.columns.map((column, i) => [column, row.cells[i]!]))
    const record = nameOf(mapping, row.key)
    const { wanted, faults, hasToken } = rowWants(mapping, cells, record, rewrapping.key, rewrapping.from)
    for (const { fault, where } of faults) addFault(report, fault, where, record)
    for (const each of wanted) asked.push({ row, wanted: each })
    if (wanted.length === 0 && faults.length === 0) report[hasToken ? 'before' : 'empty']++
  }
  const results = await ask(
    asked.map(({ wanted }) => wanted),
    rewrapping,
  )
  const values = new Map<Row, Map<string, Cell>>()
  let stopped: ClavigerError | null = null
  for (const [i, { row, wanted }] of asked.entries()) {
    const result = results[i]!
    const made = valuesOf(wanted, result, rewrapping.key, rewrapping.isNullable)
    if (typeof made !== 'string') {
      const others = values.get(row) ?? new Map<string, Cell>()
      values.set(row, new Map([...others, ...made]))
    } else if (FOR_ALL.includes(made)) stopped ??= refusal(made, result.error?.free)
    else addFault(report, 'not-rewrapped', `${wanted.column}: ${made}`, nameOf(mapping, row.key))
  }
  const replacements = [...values].map(([row, values]): Replacement => ({ row, values }))
  const replaced = replacements.length > 0 ? await database.replace(selection, replacements) : []
  report.sealed += replaced.filter(Boolean).length
  if (stopped) throw stopped
  const changed = replacements.filter((_, i) => !replaced[i]).map(({ row }) => row.key)
  report.again += changed.length
  return changed.length > 0 ? database.pick(selection, changed) : []
}

/** Asks the source in as many requests as it takes. */
async function ask(
  wanted: readonly Wanted[],
  { source, under, purpose, reason, key, from }: Rewrapping,
): Promise<RewrapAnswer['results']> {
  const results: RewrapAnswer['results'] = []
  let next = 0
  while (next < wanted.length) {
    let end = next
    // The target goes for a whole request, and a grant for the same key has none.
    const targetOfItem = (each: Wanted) => (under === undefined ? targetOf(each, from, key) : undefined)
    const target = targetOfItem(wanted[next]!)
    for (let size = 0; end < wanted.length && end - next < MAX_REWRAP; end++) {
      size += wanted[end]!.item.ciphertext.length
      if (targetOfItem(wanted[end]!) !== target || (size > REQUEST_CHARACTERS && end > next)) break
    }
    const items = wanted.slice(next, end).map(({ item }) => item)
    const body = {
      purpose,
      ...(reason === undefined ? {} : { reason }),
      ...(target === undefined ? {} : { target }),
      items,
    }
    const answer = await source.rewrap(body, under)
    if (answer.results?.length !== items.length)
      throw new ConnectionError('bad-response', 'the answer does not fit the request')
    results.push(...answer.results)
    next = end
  }
  return results
}

function targetOf({ item }: Wanted, from: string | undefined, key: PublicKey): string | undefined {
  if (item.key !== undefined) return key.key
  return from !== undefined && item.ciphertext.split('.').slice(2, -2).join('.') === from
    ? key.key
    : undefined
}

function refusal(code: string, free: number | undefined): ClavigerError {
  const known: ErrorCode = isErrorCode(code) ? code : 'bad-response'
  const hint = nextStep(known, free === undefined ? {} : { free })
  return new ClavigerError(known, ERRORS[known].title, {
    ...(hint ? { hint } : {}),
    ...(free === undefined ? {} : { free }),
  })
}

function nameOf({ record, key }: TableMapping, values: readonly string[]): string {
  return recordName(record, key, values)
}
