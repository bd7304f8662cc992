/** `claviger shop rewrap`: rows to the newest version of the key, or from a shop's old encryption to tokens, through the device. */
import type { KeySource } from '../../client/sources/source.ts'
import type { Checked } from '../../shop/checking/check.ts'
import type { Database } from '../../shop/database/database.ts'
import type { TableMapping } from '../../shop/mapping/mapping.ts'
import type { TableReport } from '../../shop/sealing/report.ts'
import { type Rewrapping, rewrapTable } from '../../shop/sealing/rewrap-table.ts'
import type { Queue } from '../../shop/sharing/queue.ts'
import type { Shared } from '../../shop/sharing/share.ts'
import { assertName, COMMON, type Command, readArguments, UsageError } from '../command.ts'
import {
  checkTables,
  chooseTables,
  DATABASE_USAGE,
  readMapping,
  tellFindings,
  withDatabase,
} from '../shop/database.ts'
import { tellRows } from '../shop/report.ts'
import { rewrapShared, SHARED_OPTION, SHARED_USAGE, tellOwn, withQueue } from '../shop/shared-rewrap.ts'
import { keepHeapSmall } from '../shop/small-heap.ts'
import { sayingWhatIsKept } from '../shop/stopping.ts'
import { chooseSource, SOURCE_OPTIONS, SOURCE_USAGE, withSource } from '../sources.ts'
import type { Terminal } from '../terminal.ts'

/** A table outlives a restart of the device's gate, or a cable that is pulled and plugged in again. */
const PATIENCE_MS = 15_000

export const command: Command = {
  summary: "move the shop's rows to the newest version of the key, or from an old encryption to tokens",
  usage: `claviger shop rewrap MAPPING --purpose PURPOSE [--reason TEXT] [--from KEY] [--shared] [--table NAME…]

${DATABASE_USAGE}  --purpose        what it is for; a grant must allow it, with --reveal rewrap
  --from KEY       move tokens of this key too, to the key of the mapping
${SHARED_USAGE}${SOURCE_USAGE}  --as NAME, --at ADDRESS, --json

The device opens and seals again, and what is sealed never leaves it. A key file or a typed passphrase does both on this machine,
also for the key of an appliance that the mapping names: with --from, that is the move to it. Tokens of an older version than the mapping's public key
has are rewrapped, and columns that the mapping calls "legacy". A run that was stopped goes on with the next one.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        ...COMMON,
        ...SOURCE_OPTIONS,
        ...SHARED_OPTION,
        table: { type: 'string', multiple: true },
        purpose: { type: 'string' },
        reason: { type: 'string' },
        from: { type: 'string' },
      },
      ['MAPPING'],
    )
    const { terminal } = surroundings
    const { json, purpose, reason, from } = options
    if (purpose === undefined)
      throw new UsageError('--purpose is missing', 'say what it is for, as in --purpose rotate')
    assertName(purpose)
    if (from !== undefined) assertName(from)
    const mapping = await readMapping(positionals[0]!)
    const tables = chooseTables(mapping, options.table)
    keepHeapSmall()
    const rewrap = async (database: Database, queue: Queue | null) => {
      const checked = await checkTables(database, mapping, tables)
      const findings = checked.flatMap(({ findings }) => findings)
      const faults = json
        ? findings.filter(({ is }) => is === 'fault').length
        : tellFindings(checked, terminal)
      if (faults > 0) {
        if (json) terminal.printJson({ findings, tables: [] })
        else terminal.say('nothing was written')
        return 1
      }
      const chosen = await chooseSource(options, surroundings)
      const work = async (source: KeySource): Promise<{ all: Shared['all']; own: Shared['own'] | null }> => {
        const isForeign =
          source.kind !== 'appliance' &&
          !(await source.listKeys()).some(({ name }) => name === mapping.key.key)
        const rewrappingOf = ({ table }: Checked) => {
          const nullable = new Set(table!.columns.filter(each => each.nullable).map(({ name }) => name))
          return {
            source,
            purpose,
            key: mapping.key,
            isNullable: (column: string) => nullable.has(column),
            ...(isForeign ? { under: mapping.publicKey } : {}),
            ...(reason === undefined ? {} : { reason }),
            ...(from === undefined ? {} : { from }),
          }
        }
        return queue
          ? rewrapShared(queue, { database, mapping, from, checked, rewrappingOf }, terminal)
          : { all: await rewrapAlone(database, checked, rewrappingOf, terminal), own: null }
      }
      const { all, own } = await withSource(chosen, options, surroundings, work, {
        isQuiet: json === true,
        patience: { retryFor: PATIENCE_MS },
      })
      if (json) terminal.printJson({ findings, tables: all, ...(own ? { own } : {}) })
      else {
        tellRows(all, { sealed: 'rewrapped', before: 'newest already' }, terminal)
        if (own) tellOwn({ all, own }, terminal)
      }
      return all.some(({ faults }) => faults.length > 0) ? 1 : 0
    }
    return withDatabase(mapping, surroundings, database =>
      withQueue(options.shared, mapping, surroundings, queue => rewrap(database, queue)),
    )
  },
}

async function rewrapAlone(
  database: Database,
  checked: readonly (Checked & { mapping: TableMapping })[],
  rewrappingOf: (table: Checked) => Rewrapping,
  terminal: Terminal,
): Promise<TableReport[]> {
  const bar = terminal.progress('rewrapping')
  const total = checked.reduce((sum, { rows }) => sum + rows, 0)
  const reports: TableReport[] = []
  let before = 0
  await sayingWhatIsKept('rewrapped', terminal, bar, async () => {
    for (const each of checked) {
      const onProgress = (done: number) => bar.update(before + Math.min(done, each.rows), total)
      const rewrapping = { ...rewrappingOf(each), onProgress }
      reports.push(await rewrapTable(database, each.mapping, each.table!, rewrapping))
      before += each.rows
    }
  })
  return reports
}
