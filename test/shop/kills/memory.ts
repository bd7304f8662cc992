/**
 * `npm run test:shop -- memory [KIND=ROWS…]`: the most memory that `claviger shop seal` and `shop rewrap` take for tables of several sizes,
 * in MiB (`VmHWM`, proc(5)). Nothing is asserted; `docs/performance.md` keeps the figures.
 */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { type Shop, startShop, whyNot } from '../database/servers.ts'
import { type Device, startDevice } from './device.ts'
import { fillTable } from './table.ts'

const CASES = [
  'sqlite=10000',
  'sqlite=100000',
  'mariadb=10000',
  'mariadb=100000',
  'postgres=10000',
  'postgres=100000',
  'sqlite=1000000',
]
/** What is rewrapped too: what a device costs does not depend on the database, and a larger table, which takes long, only where it was asked for. */
const isRewrapped = (kind: Shop['kind'], rows: number, asked: boolean) =>
  kind === 'sqlite' && (asked || rows <= 100_000)
const LOOK_MS = 20

/** @param cases - `KIND=ROWS`; all of them where there is none */
export async function measureMemory(cases: readonly string[]): Promise<void> {
  const device = await startDevice()
  try {
    for (const [i, each] of (cases.length > 0 ? cases : CASES).entries()) {
      const [kind, rows] = each.split('=') as [Shop['kind'], string]
      const why = whyNot(kind)
      const options = { key: `memory-${i}`, asked: cases.length > 0 }
      const told = why ? `skipped, ${why}` : await measureCase(device, kind, Number(rows), options)
      process.stdout.write(`${kind.padEnd(9)}${rows.padStart(9)} rows: ${told}\n`)
    }
  } finally {
    await device.stop()
  }
}

async function measureCase(
  device: Device,
  kind: Shop['kind'],
  rows: number,
  { key, asked }: { key: string; asked: boolean },
): Promise<string> {
  const shop = await startShop(kind)
  try {
    await fillTable(shop, rows)
    const first = await device.createKey(key)
    const seal = await peak(device.start('seal', shop, first))
    if (!isRewrapped(kind, rows, asked)) return `seal ${seal}`
    const newest = await device.rotateKey(key)
    return `seal ${seal}; rewrap ${await peak(device.start('rewrap', shop, newest))}`
  } finally {
    await shop.stop()
  }
}

/** Waits for the end of a command. @returns its memory and time, for people */
async function peak(child: ChildProcess): Promise<string> {
  const started = performance.now()
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, peakSoFar(child.pid!))
  }, LOOK_MS)
  child.stdin!.end()
  const [, stderr, status] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    new Promise(resolve => child.once('close', resolve)),
  ])
  clearInterval(timer)
  if (status !== 0) throw new Error(`${status}: ${stderr}`)
  return `${(most / 1024).toFixed(0)} MiB in ${((performance.now() - started) / 1000).toFixed(0)} s`
}

/** In KiB; 0 once it has ended. */
function peakSoFar(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
