/**
 * What is left of sealed values in the real files of each database, found by `shop check --traces`, and that the statements which `shop seal`
 * prints take it away: tables, binary and redo log, statistics; write-ahead logs.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findTraces } from '../../../host-agent/shop/checking/traces.ts'
import { makeCertificates, type SecuredServer, securedServer } from './secured-servers.ts'
import { type Shop, startShop, whyNot } from './servers.ts'
import { Runs } from './shop.ts'

t.setTimeout(240_000)
/** Most files of the write-ahead log that were recycled before. */
const MOST_SWITCHES = 10
const TABLES = { customers: { key: ['id'], sealed: { phone: 'phone.number', note: 'customer.note' } } }
const PHONES = Array.from({ length: 50 }, (_, i) => `+4930${9_000_000 + i * 7919}`)
const INSERTS = PHONES.map((phone, i) => `(${i + 1}, '${phone}', 'note of ${phone}')`).join(', ')
const make = async (run: (sql: string) => Promise<unknown>) => {
  await run('CREATE TABLE customers (id int PRIMARY KEY, phone varchar(500), note text)')
  await run(`INSERT INTO customers VALUES ${INSERTS}`)
}

/** What the command finds in a folder: paths below it. */
function looker(runs: Runs, mapping: string, folder: string): () => Promise<string[]> {
  return async () => {
    const args = ['check', mapping, '--traces', '--in', folder]
    const { status, told, stderr } = await runs.json(args, { stdin: PHONES.join('\n') })
    if (status !== (told.traces?.length ? 1 : 0)) throw new Error(stderr)
    return told.traces.map(({ path }) => path.slice(folder.length + 1)).sort()
  }
}

const missing = [whyNot('mariadb'), whyNot('postgres')] as const
for (const why of missing) if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)

t.test(
  'When MariaDB was sealed and purged, then no file of it has a value',
  { skip: missing[0] },
  async t => {
    const server = await securedServer('mariadb', makeCertificates(t.testdir()))
    t.teardown(() => server.remove())
    const { runs, mapping, look } = on(t, server)
    // As in a server that is in use: pages are on the disk, the planner has statistics, and everything is in the binary log.
    await server.stop()
    await server.start(['--log-bin=shop-bin', '--binlog-format=ROW'])
    await make(server.run)
    await server.run('ANALYZE TABLE customers PERSISTENT FOR ALL')
    await server.stop()
    await server.start(['--log-bin=shop-bin', '--binlog-format=ROW'])
    const { told, status } = await runs.json(['seal', mapping])
    t.equal(status, 0)
    const before = await look()
    t.match(before, [
      'ib_logfile0',
      'mysql/column_stats.MAD',
      'shop-bin.000001',
      'shop-bin.000002',
      'shop/customers.ibd',
    ])
    for (const command of told.lingering.flatMap(({ commands }) => commands))
      await server.run(command.replaceAll('`', '"'))
    t.same(await look(), [])
    t.comment(`before: ${before.join(' ')}`)
  },
)

t.test(
  'When PostgreSQL was sealed and purged, then no file of it has a value',
  { skip: missing[1] },
  async t => {
    const server = await securedServer('postgres', makeCertificates(t.testdir()))
    t.teardown(() => server.remove())
    const { runs, mapping, look } = on(t, server)
    await make(server.run)
    await server.run('ANALYZE customers')
    // A file of the write-ahead log that was recycled, with values in it.
    for (const sql of ['CHECKPOINT', 'SELECT pg_switch_wal()', 'CHECKPOINT']) await server.run(sql)
    const { told, status } = await runs.json(['seal', mapping])
    t.equal(status, 0)
    const before = await look()
    t.ok(
      before.some(path => path.startsWith('pg_wal/')) &&
        before.filter(path => path.startsWith('base/')).length >= 2,
      `${before}`,
    )
    for (const command of told.lingering.flatMap(({ commands }) => commands)) await server.run(command)
    const after = await look()
    t.ok(
      after.every(path => path.startsWith('pg_wal/')),
      `only recycled files of the log: ${after}`,
    )
    let switches = 0
    for (; switches < MOST_SWITCHES && (await found(server.data)) > 0; switches++)
      for (const sql of ['SELECT pg_switch_wal()', 'CHECKPOINT']) await server.run(sql)
    t.same(await look(), [])
    t.comment(`before: ${before.join(' ')}; after: ${after.join(' ') || 'none'}; ${switches} switches more`)
  },
)

t.test('When SQLite was sealed and purged, then no file of it has a value', async t => {
  const shop: Shop = await startShop('sqlite')
  t.teardown(() => shop.stop())
  const runs = new Runs(shop)
  t.teardown(() => runs.end())
  const mapping = runs.mapping(TABLES)
  const look = looker(runs, mapping, shop.files[0]!)
  await make(shop.run)
  await shop.run('PRAGMA wal_checkpoint(TRUNCATE)')
  // Pages that are free, of before.
  await shop.run('CREATE TABLE old AS SELECT * FROM customers')
  await shop.run('DROP TABLE old')
  const { told, status } = await runs.json(['seal', mapping])
  t.equal(status, 0)
  t.same(await look(), ['shop.db', 'shop.db-wal'])
  for (const command of told.lingering.flatMap(({ commands }) => commands)) await shop.run(command)
  t.same(await look(), [])
})

t.test('When a value has letters beyond ASCII, then it is found in UTF-8 and in ISO-8859-1', async t => {
  const folder = t.testdir()
  const [name, far] = ['Zoë Müller', 'Łukasz Żak']
  for (const [file, bytes] of [
    ['utf8', Buffer.from(`..${name}..`)],
    ['latin1', Buffer.from(`..${name}..`, 'latin1')],
    ['both', Buffer.concat([Buffer.from(name), Buffer.from(name, 'latin1'), Buffer.from(far)])],
    ['utf16', Buffer.from(name, 'utf16le')],
    ['other', Buffer.from('Zoe Muller, Lukasz Zak')],
  ] as const)
    writeFileSync(join(folder, file), bytes)
  const { traces, files } = await findTraces([folder], [name, far])
  const of = (file: string) => traces.find(({ path }) => path === join(folder, file))?.values
  t.equal(files, readdirSync(folder).length)
  t.same(['utf8', 'latin1', 'both', 'utf16', 'other'].map(of), [1, 1, 2, undefined, undefined])
})

function on(t: Test, { kind, socket, port, owner, data }: SecuredServer) {
  const runs = new Runs({ connection: { kind, socket, port, user: owner, database: 'shop' } } as never)
  t.teardown(() => runs.end())
  const mapping = runs.mapping(TABLES)
  return { runs, mapping, look: looker(runs, mapping, data) }
}

async function found(folder: string): Promise<number> {
  return (await findTraces([folder], PHONES)).traces.length
}
