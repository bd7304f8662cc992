/** `claviger shop seal`: seals the plaintext of a shop's database in place. Needs no device. */
import { sealer } from '../../seal/seal.ts'
import type { Checked } from '../../shop/checking/check.ts'
import type { TableMapping } from '../../shop/mapping/mapping.ts'
import { type BlindIndex, blindIndex } from '../../shop/records/blind-index.ts'
import { lingering } from '../../shop/sealing/lingering.ts'
import type { Sealing } from '../../shop/sealing/piece-plan.ts'
import type { TableReport } from '../../shop/sealing/report.ts'
import { sealTable } from '../../shop/sealing/seal-table.ts'
import { type Command, readArguments } from '../command.ts'
import {
  checkTables,
  chooseTables,
  DATABASE_USAGE,
  readIndexKey,
  readMapping,
  tellFindings,
  withDatabase,
} from '../shop/database.ts'
import { plural, tellRows } from '../shop/report.ts'
import { keepHeapSmall } from '../shop/small-heap.ts'
import { sayingWhatIsKept } from '../shop/stopping.ts'
import type { Terminal } from '../terminal.ts'

export const command: Command = {
  summary: "seal the plaintext in the shop's database, in place",
  usage: `claviger shop seal MAPPING [--dry-run] [--table NAME…] [--index-key FILE] [--json]

${DATABASE_USAGE}  --dry-run        read and seal everything, write nothing, and tell what would come of it
  --index-key FILE key of the blind indexes; otherwise CLAVIGER_INDEX_KEY

The mapping is checked first, and nothing is written where the check finds a fault. Each batch of rows is one transaction, read
back before it is kept. A run that was stopped, in whatever way, goes on with the next one. A row that the shop changes
meanwhile is taken again as it is then. Where rows had to stay as they were, the exit status is 1.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        json: { type: 'boolean' },
        table: { type: 'string', multiple: true },
        'dry-run': { type: 'boolean' },
        'index-key': { type: 'string' },
      },
      ['MAPPING'],
    )
    const { terminal, env } = surroundings
    const { json, 'dry-run': dryRun = false } = options
    const mapping = await readMapping(positionals[0]!)
    const tables = chooseTables(mapping, options.table)
    const indexKey = await readIndexKey(tables, options['index-key'], env)
    const seal = sealer(mapping.publicKey)
    keepHeapSmall()
    return withDatabase(mapping, surroundings, async database => {
      const checked = await checkTables(database, mapping, tables)
      const findings = checked.flatMap(({ findings }) => findings)
      const faults = json
        ? findings.filter(({ is }) => is === 'fault').length
        : tellFindings(checked, terminal)
      if (faults > 0) {
        if (json) terminal.printJson({ findings, tables: [] })
        else terminal.say(`nothing was written: ${plural(faults, 'fault')} in mapping or database`)
        return 1
      }
      const started = performance.now()
      const reports: TableReport[] = []
      const bar = terminal.progress(dryRun ? 'looking' : 'sealing')
      const total = checked.reduce((sum, { rows }) => sum + rows, 0)
      let before = 0
      const work = async () => {
        for (const { mapping: table, table: described, rows } of checked) {
          const sealing = sealingOf(table, described!, indexKey)
          const onProgress = (done: number) => bar.update(before + Math.min(done, rows), total)
          const through = { seal, keyName: mapping.key.key, types: mapping.types, ...sealing }
          reports.push(await sealTable(database, table, described!, through, { dryRun, onProgress }))
          before += rows
        }
      }
      // A dry run has done nothing that could be kept.
      await (dryRun ? work().finally(() => bar.end()) : sayingWhatIsKept('sealed', terminal, bar, work))
      const places = dryRun
        ? []
        : lingering(
            database.kind,
            tables.map(({ name }) => name),
          )
      const seconds = (performance.now() - started) / 1000
      if (json) terminal.printJson({ dryRun, findings, tables: reports, lingering: places, seconds })
      else tellReport(reports, places, { dryRun, seconds }, terminal)
      return reports.some(({ faults }) => faults.length > 0) ? 1 : 0
    })
  },
}

function sealingOf(
  { pieces }: TableMapping,
  { columns }: NonNullable<Checked['table']>,
  indexKey: Uint8Array | null,
): Pick<Sealing, 'indexOf' | 'isNullable'> {
  const indexes = new Map<string, BlindIndex>()
  for (const { column, field, bits } of pieces.flatMap(piece => [...piece.indexes.values()]))
    indexes.set(column, blindIndex(indexKey!, field, bits))
  const nullable = new Set(columns.filter(column => column.nullable).map(({ name }) => name))
  return { indexOf: column => indexes.get(column)!, isNullable: column => nullable.has(column) }
}

function tellReport(
  reports: readonly TableReport[],
  places: ReturnType<typeof lingering>,
  { dryRun, seconds }: { dryRun: boolean; seconds: number },
  terminal: Terminal,
): void {
  const headings = { sealed: dryRun ? 'would be sealed' : 'sealed', before: 'sealed before' }
  tellRows(reports, headings, terminal)
  const sealed = reports.reduce((sum, report) => sum + report.sealed, 0)
  if (dryRun) {
    terminal.say(`${plural(sealed, 'row')} would be sealed; nothing was written`)
    return
  }
  terminal.say(`sealed ${plural(sealed, 'row')} in ${seconds.toFixed(1)} s`)
  terminal.say('what was sealed may still be readable in these places:')
  for (const { where, commands } of places)
    terminal.explain(`  ${where}\n${commands.map(command => `      ${command}\n`).join('')}`)
}
