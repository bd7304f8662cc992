/**
 * What a second machine brings to a shared rewrap: two workers with an appliance each against one with one. A machine is one core here: each
 * worker and its appliance are bound to theirs, and the database to none, since it is neither's.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { sealer } from '../../host-agent/seal/seal.ts'
import { starter } from '../cli/run.ts'
import { type Shop, startShop } from '../shop/database/servers.ts'
import { ROTATE, startTwins, type Twin } from '../shop/database/workers.ts'
import type { Figure } from './figure.ts'
import { MEMORY, median, milliseconds } from './measure.ts'

/** So many that the start of a worker, a second of processor, is little beside them. */
const ROWS = 30_000
const ROUNDS = 3
const FIELD = 'customer.note'
/** Clock ticks of `/proc/PID/stat`: USER_HZ is 100 on every machine that Linux runs Node on. */
const TICKS = 100

/** CPU seconds that a process has used, with the children that it waited for. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  return fields.slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS
}

/** The pid of the server that listens at a socket. */
function serverAt(socket: string): number {
  const listening = `--socket=${socket}`
  const pid = readdirSync('/proc').find(name => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(listening)
    } catch {
      // It ended meanwhile.
      return false
    }
  })
  if (pid === undefined) throw new Error('the database server is not found')
  return Number(pid)
}

function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' })
}

async function fill(shop: Shop, tokens: readonly string[]): Promise<void> {
  await shop.run('DROP TABLE IF EXISTS customers')
  await shop.run('CREATE TABLE customers (id int PRIMARY KEY, note varchar(400))')
  for (let start = 0; start < ROWS; start += 1000) {
    const some = tokens.slice(start, start + 1000)
    const marks = some.map(() => '(?, ?)').join(', ')
    await shop.run(`INSERT INTO customers VALUES ${marks}`, ...some.flatMap((token, i) => [start + i, token]))
  }
}

/** Runs a worker to its end. @returns CPU seconds that it used, its start with it */
async function work({ home }: Twin, core: number, path: string): Promise<number> {
  const args = ['shop', 'rewrap', path, '--purpose', ROTATE, '--shared', '--json']
  const child = starter(home)(args)
  pin(child.pid!, core)
  for (const stream of [child.stdin!, child.stdio[3] as typeof child.stdin & object]) {
    stream.on('error', () => {})
    stream.end()
  }
  let used = 0
  const watching = setInterval(() => {
    try {
      used = cpuOf(child.pid!)
    } catch {
      // It has just ended.
    }
  }, 50)
  const status = new Promise<number | null>(resolve => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  clearInterval(watching)
  if ((await status) !== 0) throw new Error(stdout + stderr)
  return used
}

/** Where the time went, for a person: on stderr, beside the figure. */
function tell(workers: number, ms: number, parts: Record<string, number>): void {
  const shares = Object.entries(parts).map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`)
  process.stderr.write(
    `${workers} worker(s): ${(ms / 1000).toFixed(2)} s; CPU seconds: ${shares.join(', ')}\n`,
  )
}

async function sharing(): Promise<Figure> {
  const shop = await startShop('mariadb')
  const rig = await startTwins(2, MEMORY)
  try {
    const [oldest, newest] = rig.publicKeys as [string, string]
    const seal = sealer(oldest)
    const tokens = Array.from({ length: ROWS }, (_, i) =>
      seal({ field: FIELD, record: `customers/${i}` }, `note ${i}`),
    )
    const path = join(rig.twins[0].home, 'bench.map')
    const tables = { customers: { key: ['id'], sealed: { note: FIELD } } }
    writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey: newest, tables }))
    for (const [core, { processes }] of rig.twins.entries())
      for (const name of ['keeper', 'gate', 'health'] as const) pin(processes.pidOf(name), core)
    const server = serverAt(String(shop.connection.socket))
    const measure = async (workers: number) => {
      await fill(shop, tokens)
      const pids = (name: 'keeper' | 'gate') => rig.twins.map(({ processes }) => processes.pidOf(name))
      const used = () => ({
        keepers: pids('keeper').reduce((sum, pid) => sum + cpuOf(pid), 0),
        gates: pids('gate').reduce((sum, pid) => sum + cpuOf(pid), 0),
        database: cpuOf(server),
      })
      const before = used()
      let own = 0
      const ms = await milliseconds(async () => {
        const each = await Promise.all(rig.twins.slice(0, workers).map((twin, i) => work(twin, i, path)))
        own = each.reduce((sum, seconds) => sum + seconds, 0)
      })
      const after = used()
      const [[left] = []] = await shop.run(
        `SELECT count(*) FROM customers WHERE note LIKE 'clv1.x.orders.1.%'`,
      )
      if (Number(left) !== 0) throw new Error(`${left} rows are old`)
      tell(workers, ms, {
        workers: own,
        keepers: after.keepers - before.keepers,
        gates: after.gates - before.gates,
        database: after.database - before.database,
      })
      return ms
    }
    const times = { one: [] as number[], two: [] as number[] }
    for (let round = 0; round < ROUNDS; round++) {
      const [one, two] = [await measure(1), await measure(2)]
      times.one.push(one)
      times.two.push(two)
    }
    const one = median(times.one)
    return {
      name: 'shop-rewrap-workers',
      value: one / median(times.two),
      unit: 'x',
      floor: (ROWS / one) * 1000,
      bar: 1.7,
      better: 'higher',
    }
  } finally {
    await rig.stop()
    await shop.stop()
  }
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'shop-rewrap-workers', run: sharing },
]
