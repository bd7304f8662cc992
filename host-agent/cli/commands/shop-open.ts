/** `claviger shop open`: columns of rows of the shop's database, opened for a purpose, as CSV or NDJSON. */
import type { Table } from '../../shop/database/database.ts'
import type { TableMapping } from '../../shop/mapping/mapping.ts'
import { describeForReading, hasColumn, readableColumns, sealedColumns } from '../../shop/opening/columns.ts'
import { type Key, wantedRows } from '../../shop/opening/wanted-rows.ts'
import { COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { HINTS, readWish } from '../opening.ts'
import { runOpening } from '../rows/opening.ts'
import { ERROR_COLUMN, type Row } from '../rows/row.ts'
import { runConversion } from '../rows/run.ts'
import { type RowWriter, WRITERS } from '../rows/written.ts'
import { chooseTable, readMapping, withDatabase } from '../shop/database.ts'
import { KEY_OPTIONS, KEY_USAGE, parseKeys, readKeyLines, tellMissing } from '../shop/wanted-keys.ts'
import { SOURCE_OPTIONS, SOURCE_USAGE } from '../sources.ts'

/** What makes sense of a value that goes into a column. */
const REVEALED = ['full', 'last4', 'mask']

export const command: Command = {
  summary: "open rows of the shop's database for a purpose",
  usage: `claviger shop open MAPPING --purpose PURPOSE --key VALUE,…|--keys-from FILE|--all [--table NAME] [--column NAME…]

  MAPPING          file that says which tables and columns are sealed: docs/shop-database.md
  --table NAME     the table, where the mapping has several
${KEY_USAGE}  --column NAME    a column to write, behind those of the key; may be given again. Without it, what the mapping keeps
                   readable and what it seals
  --format FORMAT  csv (default) or ndjson
  --purpose NAME   what it is for, such as ship; written to the device's log
  --reason TEXT    more about it, for the log
  --reveal HOW     full (default), last4, mask
  --keep N         for mask: how many characters at the end stay
${SOURCE_USAGE}  --as NAME, --at ADDRESS, --json

The rows go to standard output, in the order of their keys on the command line, and are plaintext from there on. An empty cell
stays empty. A cell that fails comes out empty (ndjson: null), and the column ${ERROR_COLUMN} says why, as claviger open --rows
does it. A summary goes to standard error, with --json as one JSON document. Exit status 1 if a cell failed or a row was not there.
A spreadsheet may run a cell that begins with = + - or @ as a formula.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        ...KEY_OPTIONS,
        ...SOURCE_OPTIONS,
        table: { type: 'string' },
        column: { type: 'string', multiple: true },
        format: { type: 'string' },
        purpose: { type: 'string' },
        reason: { type: 'string' },
        reveal: { type: 'string' },
        keep: { type: 'string' },
      },
      ['MAPPING'],
    )
    const { purpose, reason, reveal, keep, format = 'csv' } = options
    if (reveal !== undefined && !REVEALED.includes(reveal))
      throw new UsageError(`--reveal takes ${REVEALED.join(', ')}`, 'claviger open has the other ways')
    const wish = readWish({ purpose, reason, reveal, keep }, undefined)
    const writerOf = Object.hasOwn(WRITERS, format) ? WRITERS[format] : undefined
    if (!writerOf) throw new UsageError(`there is no format ${format}`, 'the formats are csv and ndjson')
    const mapping = await readMapping(positionals[0]!)
    const mapped = chooseTable(mapping, options.table)
    const lines = await readKeyLines(options, surroundings)
    return withDatabase(mapping, surroundings, async database => {
      const table = await describeForReading(database, mapped)
      const keys = lines && parseKeys(lines, mapped.key, table)
      const columns = chooseColumns(mapped, table, options.column)
      const sealed = [...sealedColumns(mapped)].filter(([name]) => columns.includes(name))
      const selection = { table, key: mapped.key, columns: columns.slice(mapped.key.length) }
      const missing: Key[] = []
      const found = wantedRows(database, selection, keys, key => missing.push(key))
      return runOpening(options, surroundings, wish, async withWork =>
        runConversion(options, surroundings, {
          rows: written(found, columns, writerOf(columns)),
          mapping: {
            columns: sealed.map(([name, field]) => ({ name, field })),
            record: mapped.record,
            placeholders: mapped.key,
          },
          encoding: 'utf8',
          verb: { doing: 'opening', done: 'opened' },
          hints: HINTS,
          progress: {
            unit: 'items',
            total: keys ? keys.length : await database.count(table),
            done: ({ rows }) => rows,
          },
          withWork,
          stop: () => {},
          remarks: () => ({
            text: missing.length > 0 ? [tellMissing(missing)] : [],
            json: { missing },
          }),
        }),
      )
    })
  },
}

/** Those of the key first, because they say which row it is. @throws UsageError */
function chooseColumns(mapped: TableMapping, table: Table, named: readonly string[] | undefined): string[] {
  const wanted = named ?? [...readableColumns(mapped), ...sealedColumns(mapped).keys()]
  const unknown = wanted.find(name => !hasColumn(table, name) || name === ERROR_COLUMN)
  if (unknown !== undefined)
    throw new UsageError(
      `${table.name} has no column ${unknown}`,
      `it has ${table.columns.map(({ name }) => name).join(', ')}`,
    )
  return [...new Set([...mapped.key, ...wanted])]
}

async function* written(
  found: AsyncIterable<{ key: readonly string[]; cells: readonly (string | null)[] }[]>,
  columns: readonly string[],
  writer: RowWriter,
): AsyncGenerator<Row[]> {
  if (writer.heading) yield [writer.heading]
  let count = 0
  for await (const rows of found)
    yield rows.map(({ key, cells }) => {
      const texts = [...key, ...cells]
      return writer.row(new Map(columns.map((column, i) => [column, texts[i]!])), ++count)
    })
}
