/** `--column NAME=FIELD` and `--record 'orders/{id}'`: which cells are sealed, and which context each belongs to. */
import { isName } from '../../../protocol/envelope/context.ts'
import { placeFault, type Task } from '../../shop/opening/cells.ts'
import { UsageError } from '../command.ts'
import { type Cell, ERROR_COLUMN, type GoodRow } from './row.ts'

const MAX_COLUMNS = 100

/** A sealed column, and the field of its context. */
export interface Column {
  name: string
  field: string
}

/** Text and `{column}` placeholders in turn, beginning and ending with text. */
export type RecordTemplate = readonly string[]

export interface Mapping {
  columns: readonly Column[]
  record: RecordTemplate
  /** Columns that name the record. */
  placeholders: readonly string[]
}

/** What a row asks for: its cells, or why not. */
export interface Plan {
  tasks: Task[]
  /** Cells that failed before anything was done: the column that is at fault, and the code. */
  faults: { column: string; code: string }[]
  /** Columns that are emptied whatever comes, because of {@link faults}. */
  emptied: string[]
}

/**
 * Reads the two options.
 *
 * @throws UsageError
 */
export function readMapping(columns: readonly string[], record: string | undefined): Mapping {
  if (columns.length === 0)
    throw new UsageError(
      '--column is missing',
      'name each sealed column, as in --column address=address.ship',
    )
  if (columns.length > MAX_COLUMNS) throw new UsageError(`there are more than ${MAX_COLUMNS} columns`)
  if (record === undefined)
    throw new UsageError('--record is missing', "say which record a row is, as in --record 'orders/{id}'")
  const mapping = { columns: columns.map(readColumn), ...readTemplate(record) }
  const names = mapping.columns.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new UsageError(`the column ${twice} is named twice`)
  const circular = names.find(name => mapping.placeholders.includes(name))
  if (circular !== undefined)
    throw new UsageError(`the column ${circular} cannot be sealed and name the record as well`)
  return mapping
}

function readColumn(text: string): Column {
  // A field holds no equals sign, so the last one parts the two.
  const cut = text.lastIndexOf('=')
  const name = cut === -1 ? text : text.slice(0, cut)
  const field = cut === -1 ? text : text.slice(cut + 1)
  if (name === '') throw new UsageError('--column takes NAME=FIELD')
  if (name === ERROR_COLUMN) throw new UsageError(`${ERROR_COLUMN} is the column for errors`)
  checkField(field, cut === -1 ? `name its field, as in --column ${name}=address.ship` : undefined)
  return { name, field }
}

/** @throws UsageError for text that is no field */
export function checkField(field: string, hint?: string): void {
  if (!isName(field))
    throw new UsageError(
      `${field} is not a field`,
      hint ?? 'fields are lower-case letters, digits, dots and hyphens, as in address.ship',
    )
}

function readTemplate(text: string): Pick<Mapping, 'record' | 'placeholders'> {
  const record = text.split(/\{([^{}]+)\}/)
  if (record.some((part, i) => i % 2 === 0 && /[{}]/.test(part)))
    throw new UsageError(
      `the braces in ${text} do not name columns`,
      "write a column's name in braces, as in --record 'orders/{id}'",
    )
  return { record, placeholders: record.filter((_, i) => i % 2 === 1) }
}

/** Finds the cells of a row and their record. */
export function planRow(row: GoodRow, { columns, record }: Mapping): Plan {
  const plan: Plan = { tasks: [], faults: [], emptied: [] }
  const cells = columns.map(({ name }): [name: string, cell: Cell] => [name, row.cell(name)])
  if (cells.every(([, cell]) => cell === null)) return plan
  let name = ''
  for (const [i, part] of record.entries()) {
    const cell: Cell = i % 2 === 0 ? { text: part } : row.cell(part)
    if (cell && 'text' in cell) name += cell.text
    else plan.faults.push({ column: part, code: cell?.fault ?? 'missing-column' })
  }
  const recordIsKnown = plan.faults.length === 0
  for (const [i, [column, cell]] of cells.entries()) {
    if (cell === null) continue
    const { field } = columns[i]!
    const code = 'fault' in cell ? cell.fault : recordIsKnown ? placeFault(field, name) : null
    if (code !== null) plan.faults.push({ column, code })
    if (code !== null || !recordIsKnown) plan.emptied.push(column)
    else if ('text' in cell) plan.tasks.push({ column, field, record: name, text: cell.text })
  }
  return plan
}
