/** `claviger shop labels`: address labels of rows of the shop's database, as a page to print. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { checkColumns, checkSkip, chooseAddress, readFrom, withAddresses } from '../../shop/labels/choose.ts'
import { columnsFor, type Gathered, type Gathering, gather } from '../../shop/labels/gather.ts'
import { labelPage, sheetCount } from '../../shop/labels/page.ts'
import { stockOf } from '../../shop/labels/stock.ts'
import { opener } from '../../shop/opening/cells.ts'
import { describeForReading } from '../../shop/opening/columns.ts'
import { type Key, wantedRows } from '../../shop/opening/wanted-rows.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { checkWritable, writePlaintext } from '../labels/plaintext-file.ts'
import { readWish } from '../opening.ts'
import { ROWS_PATIENCE_MS } from '../rows/opening.ts'
import { chooseTable, readMapping, withDatabase } from '../shop/database.ts'
import { plural } from '../shop/report.ts'
import { KEY_OPTIONS, KEY_USAGE, parseKeys, readKeyLines, tellMissing } from '../shop/wanted-keys.ts'
import { chooseSource, SOURCE_OPTIONS, SOURCE_USAGE, withSource } from '../sources.ts'

export const command: Command = {
  summary: "print address labels of the shop's database",
  usage: `claviger shop labels MAPPING --purpose PURPOSE --out FILE.html --key VALUE,…|--keys-from FILE|--all [--table NAME]

  MAPPING          file that says which tables and columns are sealed: docs/shop-database.md
  --out FILE       the page, for a browser to print; readable by its user alone, and replaced if it is there
  --table NAME     the table, where several have addresses
  --address NAME   the record of type address in the mapping, where the table has several
  --name COLUMN    the name for addresses that have none: a column of the same row, sealed or not
${KEY_USAGE}  --per-page SHEET 3x8 (default; A4-24: 70 x 37 mm), 2x7 (A4-14: 99.1 x 38.1 mm), 3x10 (Letter-30: 66.7 x 25.4 mm)
  --skip N         labels of the first sheet that are used up
  --from-country C where the parcels are posted, such as NL: for addresses there the country's name is left out
  --packing COLUMN a column for a packing list of each order, on a page of its own; may be given again
  --purpose NAME   what it is for, such as ship; written to the device's log
  --reason TEXT    more about it, for the log
${SOURCE_USAGE}  --as NAME, --at ADDRESS, --json

The page holds addresses in plaintext: delete it when it is printed. A row that does not open, or has no address, or whose address
does not fit, is left out and named on standard error with the reason; the exit status is 1 then.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        ...KEY_OPTIONS,
        ...SOURCE_OPTIONS,
        ...{ table: { type: 'string' }, address: { type: 'string' }, name: { type: 'string' } },
        ...{ out: { type: 'string' }, 'per-page': { type: 'string' }, skip: { type: 'string' } },
        ...{ purpose: { type: 'string' }, reason: { type: 'string' } },
        ...{ 'from-country': { type: 'string' }, packing: { type: 'string', multiple: true } },
      } as const,
      ['MAPPING'],
    )
    const { terminal } = surroundings
    const { json, out, purpose, reason, packing = [], name } = options
    const wish = readWish({ purpose, reason }, undefined)
    if (out === undefined) throw new UsageError('--out is missing', 'name the file of the page')
    const stock = stockOf(options['per-page'] ?? '3x8')
    const skip = checkSkip(readNumber(options.skip ?? '0'), stock, '--skip')
    const from = readFrom(options['from-country'])
    const mapping = await readMapping(positionals[0]!)
    const mapped = chooseTable(withAddresses(mapping, options.table), options.table)
    const address = chooseAddress(mapped, options.address)
    const lines = await readKeyLines(options, surroundings)
    await checkWritable(out)
    return withDatabase(mapping, surroundings, async database => {
      const table = await describeForReading(database, mapped)
      const keys = lines && parseKeys(lines, mapped.key, table)
      checkColumns(table, mapped, { name, packing })
      const chosen = await chooseSource(options, surroundings)
      const gathered: Gathered = { orders: [], leftOut: [] }
      const missing: Key[] = []
      const bar = terminal.progress('opening')
      const total = keys ? keys.length : await database.count(table)
      const write = async () => {
        const page = labelPage(gathered.orders, stock, { skip, hasPacking: packing.length > 0 })
        if (gathered.orders.length > 0) await writePlaintext(out, page)
      }
      const doneRows = () => gathered.orders.length + gathered.leftOut.length + missing.length
      try {
        const using = { isQuiet: json === true, patience: { retryFor: ROWS_PATIENCE_MS } }
        await withSource(
          chosen,
          options,
          surroundings,
          async source => {
            const open = opener(source, wish)
            const parts = { mapped, address, types: mapping.types, name, packing, from, stock, open }
            const gathering: Gathering = parts
            const columns = columnsFor(gathering)
            const selection = { table, key: mapped.key, columns }
            for await (const rows of wantedRows(database, selection, keys, key => missing.push(key))) {
              await gather(rows, columns, gathering, gathered)
              bar.update(doneRows(), total)
            }
          },
          using,
        )
      } catch (error) {
        bar.end()
        if (!(error instanceof ClavigerError)) throw error
        // What was opened was counted against the budget.
        await write()
        tell(gathered, missing, surroundings)
        const where = gathered.orders.length > 0 ? ` in ${out}` : ''
        const left = plural(Math.max(0, total - doneRows()), 'row')
        terminal.say(`stopped; ${plural(gathered.orders.length, 'label')}${where}, ${left} not asked for`)
        throw error
      }
      bar.end()
      await write()
      const { orders, leftOut } = gathered
      const sheets = orders.length === 0 ? 0 : sheetCount(stock, orders.length, skip)
      if (json) terminal.printJson({ labels: orders.length, sheets, leftOut, missing })
      else {
        tell(gathered, missing, surroundings)
        if (orders.length === 0) terminal.say('there is no label, and nothing was written')
        else {
          terminal.say(`wrote ${plural(orders.length, 'label')} on ${plural(sheets, 'sheet')} to ${out}`)
          terminal.hint('it holds addresses in plaintext: delete it when it is printed')
        }
      }
      return leftOut.length > 0 || missing.length > 0 ? 1 : 0
    })
  },
}

/** @returns NaN for what is no number */
function readNumber(text: string): number {
  return /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
}

/** Says which rows are not on the page. */
function tell(
  { leftOut }: Gathered,
  missing: readonly Key[],
  { terminal }: Pick<Surroundings, 'terminal'>,
): void {
  for (const { record, reason } of leftOut) terminal.say(terminal.tame(`${record} is left out: ${reason}`))
  if (missing.length > 0) terminal.say(terminal.tame(tellMissing(missing)))
}
