/** From rows to what is printed: opens addresses, and tells of each that is left out why. */
import type { Cell, Row } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import type { Piece } from '../mapping/piece.ts'
import { recordName } from '../mapping/record-name.ts'
import type { Opened, Task } from '../opening/cells.ts'
import { sealedColumns } from '../opening/columns.ts'
import { readCountry } from '../records/country.ts'
import type { RecordTypes } from '../records/declaration.ts'
import { RecordError } from '../records/errors.ts'
import { labelLines } from '../records/label.ts'
import { join } from '../records/record.ts'
import { fit } from './fit.ts'
import type { Order } from './page.ts'
import type { Stock } from './stock.ts'

/** Rows whose cells go into one request. */
const ROWS = 100

export interface Gathering {
  readonly mapped: TableMapping
  /** The record that is the address. */
  readonly address: Piece
  readonly types: RecordTypes
  /** Column with the name for addresses that have none. */
  readonly name: string | undefined
  readonly packing: readonly string[]
  /** Where it is posted, two letters. */
  readonly from: string | undefined
  readonly stock: Stock
  open(tasks: readonly Task[]): Promise<Opened[]>
}

/** A row that is not on the page. */
export interface LeftOut {
  readonly record: string
  /** Column and code, or what is wrong with the address; never a text of it. */
  readonly reason: string
}

/** What was made of rows so far. */
export interface Gathered {
  readonly orders: Order[]
  readonly leftOut: LeftOut[]
}

/** Columns that are read besides those of the key. */
export function columnsFor({ address, name, packing }: Gathering): string[] {
  const sealed = [...address.sealed.values()].map(({ column }) => column)
  return [
    ...new Set([...sealed, ...address.readable.values(), ...(name === undefined ? [] : [name]), ...packing]),
  ]
}

/**
 * Adds what rows are to what was gathered.
 *
 * @param columns - of the rows, as {@link columnsFor} gives them
 * @throws what `open` throws; what was added before that is whole
 */
export async function gather(
  rows: readonly Row[],
  columns: readonly string[],
  gathering: Gathering,
  gathered: Gathered,
): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS) {
    const asked = rows.slice(at, at + ROWS).map(row => ask(row, columns, gathering))
    const outcomes = await gathering.open(asked.flatMap(({ tasks }) => tasks))
    let next = 0
    for (const one of asked) {
      const mine = outcomes.slice(next, next + one.tasks.length)
      next += mine.length
      const made = orderOf(one, mine, gathering)
      if (typeof made === 'string') gathered.leftOut.push({ record: one.record, reason: made })
      else gathered.orders.push(made)
    }
  }
}

interface Asked {
  readonly record: string
  readonly cells: ReadonlyMap<string, Cell>
  readonly tasks: readonly Task[]
}

function ask({ key, cells: texts }: Row, columns: readonly string[], gathering: Gathering): Asked {
  const { mapped, address, name } = gathering
  const record = recordName(mapped.record, mapped.key, key)
  const cells = new Map<string, Cell>([
    ...mapped.key.map((column, i) => [column, key[i]!] as const),
    ...columns.map((column, i) => [column, texts[i]!] as const),
  ])
  const sealed = new Map([...address.sealed.values()].map(({ column, field }) => [column, field]))
  const field = name === undefined ? undefined : sealedColumns(mapped).get(name)
  if (name !== undefined && field !== undefined) sealed.set(name, field)
  const tasks = [...sealed].flatMap(([column, field]): Task[] => {
    const text = cells.get(column)
    return text ? [{ column, field, record, text }] : []
  })
  return { record, cells, tasks }
}

/** @returns why there is none */
function orderOf(
  { record, cells, tasks }: Asked,
  outcomes: readonly Opened[],
  gathering: Gathering,
): Order | string {
  const { address, types, packing, from, stock } = gathering
  const opened = new Map<string, string>()
  const faults: string[] = []
  for (const [i, { column }] of tasks.entries()) {
    const outcome = outcomes[i]!
    if ('code' in outcome) faults.push(`${column}: ${outcome.code}`)
    else if (outcome.isEncoded) faults.push(`${column}: not-text`)
    else opened.set(column, outcome.value)
  }
  if (faults.length > 0) return faults.join(', ')
  if (![...address.sealed.values()].some(({ column }) => opened.has(column))) return 'there is no address'
  const value = joined(address, opened, cells, types)
  if (typeof value === 'string') return value
  const name = gathering.name === undefined ? '' : (opened.get(gathering.name) ?? cells.get(gathering.name))
  const country = value.country ? readCountry(value.country) : { text: '' }
  if ('fault' in country) return `country: ${country.fault}`
  const whole = { ...value, country: country.text, ...(value.name || !name ? {} : { name }) }
  const lines = labelLines(whole, from === undefined ? {} : { from })
  const { label, white } = stock
  const fitted = fit(lines, label.width - 2 * white.x, label.height - 2 * white.y)
  if (!fitted) return `its ${lines.length} lines do not fit on a label of ${label.width} x ${label.height} mm`
  if (fitted.lines.length === 0) return 'there is no address'
  const listed = packing.map(column => [column, cells.get(column) ?? ''] as const)
  return { record, country: country.text, lines, fitted, packing: listed }
}

/** @returns what is wrong with the parts, without a text of them */
function joined(
  { type, sealed, readable }: Piece,
  opened: ReadonlyMap<string, string>,
  cells: ReadonlyMap<string, Cell>,
  types: RecordTypes,
): { [input: string]: string } | string {
  const parts = {
    sealed: Object.fromEntries(
      [...sealed].flatMap(([part, { column }]) => (opened.has(column) ? [[part, opened.get(column)!]] : [])),
    ),
    readable: Object.fromEntries(
      [...readable].flatMap(([part, column]) => (cells.get(column) ? [[part, cells.get(column)!]] : [])),
    ),
  }
  try {
    return join(type!, parts, { types })
  } catch (error) {
    if (error instanceof RecordError) return error.message
    throw error
  }
}
