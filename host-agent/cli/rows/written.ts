/** Rows that come from a database and not from a table on standard input, written as CSV or NDJSON. */
import { type Cell, ERROR_COLUMN, type GoodRow, type PlainLine } from './row.ts'

/** Text of a cell by column; `null` is NULL. */
export type Cells = ReadonlyMap<string, string | null>

/** How rows with the same columns are written. */
export interface RowWriter {
  /** The line before the first row. */
  readonly heading: PlainLine | null
  /** @param end - how many rows there are with it */
  row(cells: Cells, end: number): GoodRow
}

/** @param columns - in the order in which they are written */
export const WRITERS: Record<string, (columns: readonly string[]) => RowWriter> = {
  csv: columns => ({
    heading: { kind: 'plain', text: csvLine([...columns, ERROR_COLUMN]), end: 0 },
    row: (cells, end) =>
      writtenRow(cells, end, (values, errors) =>
        csvLine([...columns.map(column => values.get(column) ?? ''), errors.join(',')]),
      ),
  }),
  ndjson: columns => ({
    heading: null,
    row: (cells, end) =>
      writtenRow(cells, end, (values, errors) => {
        const all: [string, string | null][] = columns.map(column => [column, values.get(column) ?? null])
        if (errors.length > 0) all.push([ERROR_COLUMN, errors.join(',')])
        // An object made first would put a column named 1 before the others, and lose one named __proto__.
        return `{${all.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}\n`
      }),
  }),
}

function writtenRow(
  cells: Cells,
  end: number,
  write: (values: Cells, errors: readonly string[]) => string,
): GoodRow {
  return {
    kind: 'row',
    end,
    cell: (name): Cell => {
      const text = cells.get(name)
      return text ? { text } : null
    },
    write: (values, errors) => write(new Map([...cells, ...values]), errors),
  }
}

/** RFC 4180 §2.5 to 2.7, with the line end of tables elsewhere here. */
function csvLine(cells: readonly string[]): string {
  const quote = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
  return `${cells.map(quote).join(',')}\n`
}
