/** What `seal` and `open` have in common where they work on the rows of standard input: options and streams. */
import { fstatSync } from 'node:fs'
import { type Surroundings, UsageError } from '../command.ts'
import { csv } from './csv.ts'
import { type Mapping, readMapping } from './mapping.ts'
import { ndjson } from './ndjson.ts'
import type { RowFormat } from './row.ts'
import { type RowRun, runConversion } from './run.ts'

const FORMATS: Record<string, RowFormat> = { csv, ndjson }

export const ROW_OPTIONS = {
  rows: { type: 'string' },
  column: { type: 'string', multiple: true, default: [] as string[] },
  record: { type: 'string' },
} as const

export const ROW_USAGE = `  --rows FORMAT    convert a table on standard input: csv, with a header line (delimiter , ; tab or |),
                   or ndjson, one JSON object on each line; at most 1 MiB a row
  --column NAME=FIELD
                   a column that is sealed, and the field of its context; the name alone where they
                   are the same; may be given several times
  --record TEMPLATE
                   the record that a row is, with columns in braces: 'orders/{id}'

The rows come out on standard output in the same order and format; what is not sealed stays as it is,
an empty cell stays empty. A cell that fails comes out empty (ndjson: null), so that nobody takes it for
a value, and the column ${'claviger_error'} says why: column:code, with commas between several. A row that
cannot be read comes out with the code alone. csv always gets that column, ndjson only where it is needed.
A summary goes to standard error, with --json as one JSON document. Exit status 1 if anything failed.
The rows are data: a spreadsheet may run a cell that begins with = + - or @ as a formula.
`

export interface RowOptions {
  rows: string
  column: string[]
  record?: string | undefined
  json?: boolean | undefined
}

export interface RowCommand extends Pick<RowRun, 'verb' | 'hints' | 'withWork'> {
  /** Whether the contents of rows that cannot be read are written. */
  keepBadRows: boolean
}

/**
 * Converts the table on stdin.
 *
 * @returns the exit status
 * @throws UsageError; ClavigerError unless the options ask for JSON
 */
export async function runRows(
  options: RowOptions,
  { terminal, stdin }: Surroundings,
  { verb, keepBadRows, hints, withWork }: RowCommand,
): Promise<number> {
  const { format, mapping } = readRowOptions(options)
  const needed = [...mapping.columns.map(({ name }) => name), ...mapping.placeholders]
  const rows = format.read(stdin as AsyncIterable<Buffer>, {
    needed: [...new Set(needed)],
    replaced: mapping.columns.map(({ name }) => name),
    keepBadRows,
  })
  return runConversion(
    options,
    { terminal },
    {
      rows,
      mapping,
      encoding: format.encoding,
      verb,
      hints,
      progress: { unit: 'bytes', total: inputSize(stdin), done: ({ bytes }) => bytes },
      withWork,
      stop: () => (stdin as NodeJS.ReadStream).destroy?.(),
    },
  )
}

function readRowOptions({ rows, column, record }: RowOptions): { format: RowFormat; mapping: Mapping } {
  const format = Object.hasOwn(FORMATS, rows) ? FORMATS[rows] : undefined
  if (!format) throw new UsageError(`there is no format ${rows}`, 'the formats are csv and ndjson')
  return { format, mapping: readMapping(column, record) }
}

/** Bytes on stdin, where that is a file. */
function inputSize(stdin: Surroundings['stdin']): number | undefined {
  const { fd } = stdin as { fd?: number }
  if (fd === undefined) return undefined
  const stats = fstatSync(fd)
  return stats.isFile() ? stats.size : undefined
}
