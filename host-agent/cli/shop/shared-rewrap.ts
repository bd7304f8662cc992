/** `claviger shop rewrap --shared`: this machine as one of the workers that rewrap the tables of a mapping (docs/shop-database.md, "Rewrapping"). */
import type { Checked } from '../../shop/checking/check.ts'
import type { Database } from '../../shop/database/database.ts'
import type { Mapping, TableMapping } from '../../shop/mapping/mapping.ts'
import { countLeftovers } from '../../shop/sealing/leftovers.ts'
import type { TableReport } from '../../shop/sealing/report.ts'
import { type Rewrapping, rewrapTable } from '../../shop/sealing/rewrap-table.ts'
import { cutTable, jobOf } from '../../shop/sharing/cut.ts'
import { openQueue } from '../../shop/sharing/open-queue.ts'
import type { Queue } from '../../shop/sharing/queue.ts'
import { type Job, type Shared, share } from '../../shop/sharing/share.ts'
import type { Surroundings } from '../command.ts'
import type { Terminal } from '../terminal.ts'
import { plural } from './report.ts'
import { sayingWhatIsKept } from './stopping.ts'

export const SHARED_OPTION = { shared: { type: 'boolean' } } as const

export const SHARED_USAGE = `  --shared         do it together with every machine that runs the same command, each with an appliance of its own; MariaDB, MySQL
                   and PostgreSQL
`

/** Tables that were checked, and how each is rewrapped. */
export interface SharedTables {
  readonly database: Database
  readonly mapping: Mapping
  readonly from: string | undefined
  readonly checked: readonly (Checked & { mapping: TableMapping })[]
  rewrappingOf(table: Checked): Omit<Rewrapping, 'onProgress'>
}

/** Opens the queue for as long as the work takes; without `shared` there is none. */
export async function withQueue<T>(
  shared: boolean | undefined,
  { database }: Mapping,
  { env }: Surroundings,
  work: (queue: Queue | null) => Promise<T>,
): Promise<T> {
  if (!shared) return work(null)
  const queue = await openQueue(database, env)
  try {
    return await work(queue)
  } finally {
    await queue.close().catch(() => {})
  }
}

/** @throws what ends this worker; the others go on */
export async function rewrapShared(queue: Queue, tables: SharedTables, terminal: Terminal): Promise<Shared> {
  const job = jobFor(tables)
  let bar: ReturnType<Terminal['progress']> | null = null
  const show = (rows: number, before: number, total: number) => {
    // The rate is that of the time since this worker came, so what was done before is told apart.
    bar ??= terminal.progress(
      before === 0
        ? 'rewrapping, all workers'
        : `rewrapping, all workers, ${before} of ${total} rows done before`,
    )
    bar.update(Math.min(rows, total) - before, Math.max(total - before, 1))
  }
  const lazyBar = { update: () => {}, end: () => bar?.end() }
  return sayingWhatIsKept('rewrapped', terminal, lazyBar, () => share(queue, job, show)).catch(error => {
    terminal.say('other workers go on; where there is none, the next run with --shared does')
    terminal.hint(`to give it up instead: ${queue.removal}`)
    throw error
  })
}

function jobFor({ database, mapping, from, checked, rewrappingOf }: SharedTables): Job {
  const tableOf = (name: string) => checked.find(({ mapping }) => mapping.name === name)!
  return {
    name: jobOf(
      mapping.key,
      from,
      checked.map(({ mapping }) => mapping),
    ),
    total: checked.reduce((sum, { rows }) => sum + rows, 0),
    async cut() {
      const ranges = []
      for (const { table, mapping } of checked)
        ranges.push(...(await cutTable(database, table!, mapping.key)))
      return ranges
    },
    rewrap(range, onProgress) {
      const found = tableOf(range.table)
      return rewrapTable(database, found.mapping, found.table!, { ...rewrappingOf(found), onProgress }, range)
    },
    async lookAgain(reports) {
      const looked: TableReport[] = []
      for (const report of reports) {
        const found = tableOf(report.table)
        const left = await countLeftovers(database, found.mapping, found.table!, mapping.key, from)
        const known = report.faults.reduce((sum, { rows }) => sum + rows, 0)
        if (left <= known) looked.push(report)
        else {
          const again = await rewrapTable(database, found.mapping, found.table!, rewrappingOf(found))
          const { rows, faults } = again
          const sum = { sealed: report.sealed + again.sealed, again: report.again + again.again }
          looked.push({ ...report, ...sum, rows, faults })
        }
      }
      return looked
    },
  }
}

/** Says what part of the work was this worker's. */
export function tellOwn({ own, all }: Shared, terminal: Terminal): void {
  const sum = (reports: readonly TableReport[]) => reports.reduce((rows, { sealed }) => rows + sealed, 0)
  terminal.say(`of ${plural(sum(all), 'rewrapped row')}, ${sum(own)} were done by this worker`)
}
