/** What `seal` and `open` have in common where they work on rows: options, streams, progress, summary. */
import { fstatSync } from 'node:fs'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { type Surroundings, UsageError } from '../command.ts'
import { convert, newTally, type Tally, type Work } from './convert.ts'
import { csv } from './csv.ts'
import { type Mapping, readMapping } from './mapping.ts'
import { ndjson } from './ndjson.ts'
import type { RowFormat } from './row.ts'

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

export interface RowCommand {
  /** `opening`, `opened`: for the bar and the summary. */
  verb: { doing: string; done: string }
  /** Whether the contents of rows that cannot be read are written. */
  keepBadRows: boolean
  /** What to do about failures, by code. */
  hints: Record<string, string>
  /** Hands over a way to convert cells, and takes it back. */
  withWork(use: (work: Work) => Promise<void>): Promise<void>
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
  const tally = newTally()
  const started = performance.now()
  const total = inputSize(stdin)
  const bar = terminal.progress(verb.doing, 'bytes')
  const needed = [...mapping.columns.map(({ name }) => name), ...mapping.placeholders]
  const summary = () => summarize(tally, verb.done, (performance.now() - started) / 1000)
  try {
    await withWork(work =>
      convert({
        rows: format.read(stdin as AsyncIterable<Buffer>, {
          needed: [...new Set(needed)],
          replaced: mapping.columns.map(({ name }) => name),
          keepBadRows,
        }),
        mapping,
        work,
        tally,
        write: async text => {
          const bytes = Buffer.from(text, format.encoding)
          await terminal.write(terminal.isScreen ? terminal.tame(bytes.toString('utf8')) : bytes)
          // Where the rows come to the screen they are the progress.
          if (!terminal.isScreen) bar.update(tally.bytes, total)
        },
        stop: () => (stdin as NodeJS.ReadStream).destroy?.(),
      }),
    )
  } catch (error) {
    bar.end()
    if (!(error instanceof ClavigerError)) throw error
    if (!options.json) {
      terminal.say(`stopped; ${plural(tally.rows, 'row')} written: ${summary().text}`)
      throw error
    }
    const { code, message, hint } = error
    terminal.explain(
      `${JSON.stringify({ ...summary().json, error: { code, message, ...(hint ? { hint } : {}) } })}\n`,
    )
    return 1
  }
  bar.end()
  const isClean = tally.failed.size === 0 && tally.bad.size === 0
  if (options.json) terminal.explain(`${JSON.stringify(summary().json)}\n`)
  else {
    terminal.say(summary().text)
    for (const code of tally.failed.keys()) if (hints[code]) terminal.hint(`${code}: ${hints[code]}`)
  }
  return isClean ? 0 : 1
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

function summarize(
  { rows, fields, done, encoded, failed, bad, firstFailure }: Tally,
  verb: string,
  seconds: number,
): { text: string; json: object } {
  const list = (counts: Map<string, number>) =>
    [...counts].map(([code, times]) => `${code} ${times}`).join(', ')
  const sum = (counts: Map<string, number>) => [...counts.values()].reduce((a, b) => a + b, 0)
  const text = [
    `${verb} ${done} of ${plural(fields, 'field')} in ${seconds.toFixed(1)} s`,
    ...(failed.size > 0 ? [`${sum(failed)} failed: ${list(failed)}`] : []),
    ...(bad.size > 0 ? [`${plural(sum(bad), 'row')} could not be read: ${list(bad)}`] : []),
    ...(firstFailure === null ? [] : [`the first failure is in row ${firstFailure}`]),
    ...(encoded > 0 ? [`${plural(encoded, 'value')} not text, written as base64url`] : []),
  ].join('; ')
  const json = {
    rows,
    fields,
    [verb]: done,
    failed: Object.fromEntries(failed),
    badRows: Object.fromEntries(bad),
    firstFailure,
    base64url: encoded,
    seconds: Math.round(seconds * 1000) / 1000,
  }
  return { text, json }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
