/**
 * One worker of a shared rewrap: the first cuts the tables, each claims ranges until none is left, one looks whether anything was missed, and
 * the last one that leaves removes the queue. A worker can end anywhere: what it held goes to the others, and doing it twice does no harm.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from '../database/errors.ts'
import { addFault, type TableReport } from '../sealing/report.ts'
import type { Queue, Range, Standing } from './queue.ts'

/** How often a worker that has nothing to do looks again, ms. */
const WAIT_MS = 300
/** How often a worker asks how far the others are, ms. */
const STANDING_MS = 1000

/** What the workers share. */
export interface Job {
  /** Identifies it: workers with another one do not join. */
  readonly name: string
  /** Rows of all tables. */
  readonly total: number
  cut(): Promise<Range[]>
  /** @throws what ends this worker; its range is given back first */
  rewrap(range: Range, onProgress: (rows: number) => void): Promise<TableReport>
  /** Goes over what was missed. @returns the reports of the tables, with that */
  lookAgain(reports: readonly TableReport[]): Promise<TableReport[]>
}

/** What came of it. */
export interface Shared {
  /** Of all workers, by table. */
  readonly all: readonly TableReport[]
  /** Of this one. */
  readonly own: readonly TableReport[]
}

/**
 * @param onProgress - rows that all have done, and how many of them were done before this worker came
 * @throws DatabaseError, and what {@link Job.rewrap} throws
 */
export async function share(
  queue: Queue,
  job: Job,
  onProgress: (rows: number, before: number, total: number) => void,
): Promise<Shared> {
  await alone(queue, () => enter(queue, job))
  try {
    return await work(queue, job, onProgress)
  } finally {
    // What ends a worker may have ended its connection, too.
    await alone(queue, () => leave(queue)).catch(() => {})
  }
}

async function alone(queue: Queue, work: () => Promise<void>): Promise<void> {
  while (!(await queue.alone())) await sleep(WAIT_MS)
  try {
    await work()
  } finally {
    await queue.together().catch(() => {})
  }
}

async function enter(queue: Queue, job: Job): Promise<void> {
  await queue.join()
  const there = await queue.job()
  const isOnly = await queue.isOnlyWorker()
  if (there !== null && there !== job.name && !isOnly)
    throw new DatabaseError('another shared rewrap is under way in this database', {
      hint: 'let it end first; for one and the same, mapping, --from and --table are the same on every machine',
    })
  // What nobody is at, and is another job or has ended, was left by workers that were killed.
  const isOurs = there === job.name && !(isOnly && (await queue.standing()).ended)
  if (!isOurs) await queue.fill(job.name, job.total, await job.cut())
}

async function leave(queue: Queue): Promise<void> {
  await queue.part()
  if ((await queue.isOnlyWorker()) && (await queue.standing()).ended) await queue.remove()
}

async function work(
  queue: Queue,
  job: Job,
  onProgress: (rows: number, before: number, total: number) => void,
): Promise<Shared> {
  const own: TableReport[] = []
  let standing: Standing = await queue.standing()
  const before = standing.rows
  let current = 0
  const tell = () => onProgress(standing.rows + current, before, standing.total)
  const refresh = async () => {
    standing = await queue.standing()
    tell()
  }
  const ticking = setInterval(() => void refresh().catch(() => {}), STANDING_MS)
  try {
    for (;;) {
      const claim = await queue.claim()
      if (claim) {
        try {
          const report = await job.rewrap(claim.range, rows => {
            current = rows
            tell()
          })
          await claim.complete(report)
          own.push(report)
        } catch (error) {
          await claim.release().catch(() => {})
          throw error
        } finally {
          current = 0
        }
        continue
      }
      await refresh()
      if (standing.ended) return { all: await queue.reports(), own: mergeReports(own) }
      if (standing.open === 0) await alone(queue, () => finish(queue, job))
      else await sleep(WAIT_MS)
    }
  } finally {
    clearInterval(ticking)
  }
}

async function finish(queue: Queue, job: Job): Promise<void> {
  if ((await queue.standing()).ended) return
  await queue.end(await job.lookAgain(mergeReports(await queue.reports())))
}

/** Adds up what came of ranges, by table. */
export function mergeReports(reports: readonly TableReport[]): TableReport[] {
  const merged = new Map<string, TableReport>()
  for (const report of reports) {
    const sum = merged.get(report.table)
    if (!sum) merged.set(report.table, structuredClone(report))
    else {
      for (const count of ['rows', 'sealed', 'before', 'empty', 'again'] as const) sum[count] += report[count]
      for (const { fault, where, rows, first } of report.faults)
        for (let i = 0; i < rows; i++) addFault(sum, fault, where, first[i] ?? '')
    }
  }
  return [...merged.values()]
}
