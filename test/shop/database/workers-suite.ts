/** What `claviger shop rewrap --shared` does, the same on each server: workers with an appliance each, killed again and again. */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readProfile } from '../../../host-agent/client/profile.ts'
import { type Seal, sealer } from '../../../host-agent/seal/seal.ts'
import { connectionAt } from '../../../host-agent/shop/mapping/connection.ts'
import { openQueue } from '../../../host-agent/shop/sharing/open-queue.ts'
import { starter } from '../../cli/run.ts'
import { noteDatabase } from './noting.ts'
import { type Shop, startShop, whyNot } from './servers.ts'
import { LITTLE, LITTLE_PURPOSES, ROTATE, startTwins, type Twins } from './workers.ts'

const ROWS = 4000
const KILLS = 3
/** Longest time between a number of rows that are done and a kill, ms. */
const MOST_DELAY_MS = 150
const FIELD = 'customer.note'

let rig: Twins
let seal: Seal
let newest = ''

const placeOf = (i: number) => ({ region: ['north', 'South', 'süd'][i % 3]!, id: Math.floor(i / 3) })
const noteOf = (i: number) => `note ${i} of “Zoë”`
const recordOf = (table: string, i: number) => `${table}/${placeOf(i).region}/${placeOf(i).id}`

/** Rows `from` to `to`, sealed under the oldest version. */
async function insert(shop: Shop, table: string, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += 500) {
    const values: (string | number)[] = []
    for (let i = start; i < Math.min(start + 500, to); i++) {
      const token = seal({ field: FIELD, record: recordOf(table, i) }, noteOf(i))
      values.push(placeOf(i).region, placeOf(i).id, token)
    }
    const marks = Array.from({ length: values.length / 3 }, () => '(?, ?, ?)').join(', ')
    await shop.run(`INSERT INTO ${table} VALUES ${marks}`, ...values)
  }
}

async function makeTable(shop: Shop, table: string, rows: number): Promise<void> {
  await shop.run(
    `CREATE TABLE ${table} (region varchar(20) NOT NULL, id int NOT NULL, note varchar(400), PRIMARY KEY (region, id))`,
  )
  await insert(shop, table, 0, rows)
}

function mapping(shop: Shop, table: string, others: object = {}): string {
  const path = join(rig.twins[0].home, `${shop.kind}-${table}.map`)
  const tables = { [table]: { key: ['region', 'id'], sealed: { note: FIELD } } }
  const database = { ...shop.connection, ...others }
  writeFileSync(path, JSON.stringify({ database, publicKey: newest, tables }))
  return path
}

interface Worker {
  readonly child: ChildProcess
  readonly twin: 0 | 1
  readonly ended: Promise<{ status: number | null; told: Told; stderr: string }>
}

interface Told {
  tables: { rows: number; sealed: number; faults: unknown[] }[]
  own: { sealed: number }[]
  error?: { code: string; message: string; hint?: string }
}

function startWorker(twin: 0 | 1, path: string, purpose = ROTATE): Worker {
  const args = ['shop', 'rewrap', path, '--purpose', purpose, '--shared', '--json']
  const child = starter(rig.twins[twin].home)(args)
  child.stdin!.on('error', () => {})
  child.stdin!.end()
  const status = new Promise<number | null>(resolve => child.once('close', resolve))
  const ended = Promise.all([status, text(child.stdout!), text(child.stderr!)]).then(
    ([status, stdout, stderr]) => ({ status, told: JSON.parse(stdout || '{}') as Told, stderr }),
  )
  return { child, twin, ended }
}

const countNewest = async (shop: Shop, table: string) =>
  Number((await shop.run(`SELECT count(*) FROM ${table} WHERE note LIKE 'clv1.x.orders.3.%'`))[0]![0])

/** Whether anything of a queue is in the database. */
async function queueIsThere(shop: Shop): Promise<boolean> {
  const from =
    shop.kind === 'mariadb'
      ? `information_schema.tables WHERE table_name = 'claviger_rewrap'`
      : `information_schema.schemata WHERE schema_name = 'claviger_rewrap'`
  return Number((await shop.run(`SELECT count(*) FROM ${from}`))[0]![0]) > 0
}

/** Opens every row with an appliance. */
async function wrongRows(shop: Shop, table: string, rows: number): Promise<number[]> {
  const found = await shop.run(`SELECT region, id, note FROM ${table}`)
  const tokens = new Map(found.map(([region, id, note]) => [`${table}/${region}/${id}`, String(note)]))
  const { appliance } = rig.twins[1].processes
  const looker = await appliance.connect(await readProfile(rig.twins[1].home, 'mover'))
  const wrong: number[] = []
  for (let start = 0; start < rows; start += 500) {
    const ids = Array.from({ length: Math.min(500, rows - start) }, (_, k) => start + k)
    const items = ids.map(i => {
      const record = recordOf(table, i)
      return { ciphertext: tokens.get(record) ?? '', context: { field: FIELD, record } }
    })
    const { results } = await looker.decrypt({ purpose: 'look', items })
    wrong.push(...ids.filter((i, k) => results[k]!.value !== noteOf(i)))
  }
  return wrong
}

async function survivesKills(t: Test, shop: Shop): Promise<void> {
  await makeTable(shop, 'customers', ROWS)
  const path = mapping(shop, 'customers')
  const workers = [startWorker(0, path), startWorker(1, path)]
  for (let kill = 1; kill <= KILLS; kill++) {
    while ((await countNewest(shop, 'customers')) < (kill * ROWS) / (KILLS + 2)) {
      const over = workers.find(({ child }) => child.exitCode !== null)
      if (over) throw new Error(`a worker ended: ${JSON.stringify(await over.ended)}`)
      await sleep(20)
    }
    await sleep(Math.random() * MOST_DELAY_MS)
    const victim = workers.splice(kill % workers.length, 1)[0]!
    t.ok(victim.child.kill('SIGKILL') && victim.child.exitCode === null, `kill ${kill} meets a worker`)
    workers.push(startWorker(victim.twin, path))
    // Behind every worker: a program of the shop that has the old public key still.
    if (kill === 2) await insert(shop, 'customers', ROWS, ROWS + 30)
  }
  const results = await Promise.all(workers.map(({ ended }) => ended))
  t.same(
    results.map(({ status, told, stderr }) => (status === 0 ? told.error : stderr + JSON.stringify(told))),
    [undefined, undefined],
  )
  t.equal(Number((await shop.run('SELECT count(*) FROM customers'))[0]![0]), ROWS + 30, 'rows')
  t.equal(await countNewest(shop, 'customers'), ROWS + 30, 'of the newest version')
  t.same(await wrongRows(shop, 'customers', ROWS + 30), [], 'each opens to what it was')
  // One that came when all was done finds every row of the newest version.
  for (const { told } of results) t.match(told.tables, [{ rows: ROWS + 30, faults: [] }])
  t.notOk(await queueIsThere(shop), 'nothing of the queue is left')
}

async function givesBack(t: Test, shop: Shop): Promise<void> {
  const rows = 700
  const little = LITTLE_PURPOSES[shop.kind === 'mariadb' ? 0 : 1]
  await makeTable(shop, 'orders', rows)
  const path = mapping(shop, 'orders')
  const refused = await startWorker(1, path, little).ended
  t.match(refused, { status: 1, told: { error: { code: 'over-budget' } } }, refused.stderr)
  const done = await countNewest(shop, 'orders')
  t.ok(done > 0 && done <= LITTLE, `${done} rows are done`)
  t.ok(await queueIsThere(shop), 'the queue waits for the next')
  const [other, next] = [startWorker(1, path, little), startWorker(0, path)]
  t.match(await next.ended, { status: 0, told: { tables: [{ sealed: rows - done }] } })
  await other.ended
  t.same([await countNewest(shop, 'orders'), await wrongRows(shop, 'orders', rows)], [rows, []])
  t.notOk(await queueIsThere(shop))
}

async function keepsOthersOut(t: Test, shop: Shop): Promise<void> {
  const connection = connectionAt({ at: '', value: shop.connection })
  const [one, two] = [await openQueue(connection, {}), await openQueue(connection, {})]
  const range = (n: number) => ({ table: 'orders', after: [`${n}`, 'x'], upTo: null })
  t.ok(await one.alone())
  t.notOk(await two.alone(), 'two cannot set up at once')
  await one.join()
  await one.fill('another', 20, [range(1), range(2)])
  await one.together()
  const claims = [await one.claim(), await two.claim()]
  t.same(
    claims.map(claim => claim?.range),
    [range(1), range(2)],
    'a range is claimed once',
  )
  await claims[1]!.release()
  const again = await two.claim()
  t.same(again?.range, range(2), 'what is given back is free at once')
  await two.close()
  const began = performance.now()
  let taken = null
  const report = { table: 'orders', rows: 10, sealed: 10, before: 0, empty: 0, again: 0, faults: [] }
  await claims[0]!.complete(report)
  while (!taken && performance.now() - began < 20_000) {
    taken = await one.claim()
    if (!taken) await sleep(200)
  }
  t.same(taken?.range, range(2), 'what a worker held that is gone is free')
  t.same(await one.standing(), { open: 1, total: 20, rows: 10, ended: false })
  t.match(await startWorker(0, mapping(shop, 'orders')).ended, {
    status: 1,
    told: { error: { message: /another shared rewrap is under way/ } },
  })
  await taken!.release()
  t.ok(await one.alone())
  await one.remove()
  await one.close()
  t.notOk(await queueIsThere(shop))
}

async function saysRights(t: Test, shop: Shop): Promise<void> {
  if (shop.kind === 'mariadb') {
    await shop.run(`CREATE USER poor@localhost`)
    await shop.run(`GRANT SELECT, UPDATE ON shop.orders TO poor@localhost`)
  } else {
    await shop.run(`CREATE ROLE poor LOGIN`)
    await shop.run(`GRANT SELECT, UPDATE ON orders TO poor`)
  }
  const poor = await startWorker(0, mapping(shop, 'orders', { user: 'poor' })).ended
  const error = { message: /may not keep a queue/, hint: /^GRANT .*CREATE/ }
  t.match(poor, { status: 1, told: { error } }, poor.stderr)
}

/** @param kind - of the server */
export async function workersSuite(kind: 'mariadb' | 'postgres'): Promise<void> {
  const why = whyNot(kind)
  if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
  if (why) {
    t.pass(`a server of ${kind}`, { skip: why })
    return
  }
  const shop = await startShop(kind)
  rig = await startTwins(3)
  const [oldest, , last] = rig.publicKeys as [string, string, string]
  seal = sealer(oldest)
  newest = last
  t.teardown(async () => {
    await rig.stop()
    await shop.stop()
  })
  await t.test(
    'When workers are killed again and again, then every row is done once, and opens to what it was',
    async t => {
      await noteDatabase(t, shop, 'workers share a rewrap')
      await survivesKills(t, shop)
    },
  )
  await t.test('When an appliance refuses, then its worker gives the range back, and others do it', t =>
    givesBack(t, shop),
  )
  await t.test('When workers claim, then nobody has the range of another that lives', t =>
    keepsOthersOut(t, shop),
  )
  await t.test('When the user may make no table, then the right that is missing is named', t =>
    saysRights(t, shop),
  )
}
