/** `claviger shop open` and `shop labels` with an appliance of three processes: what no grant allows, and a budget that ends in between. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { runner } from '../../cli/run.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import { startShop } from './servers.ts'

const ROWS = 250
const BUDGET = 130
const home = await temporaryDirectory()
const data = await temporaryDirectory()
const card = await flashCard(data.path, '')
const processes = await startProcesses(data.path)
const { appliance } = processes
const shop = await startShop('sqlite')
t.teardown(async () => {
  await appliance.close()
  await processes.stop()
  await shop.stop()
  await Promise.all([home.remove(), data.remove()])
})
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
const publicKey = (await admin.createKey('orders')).versions[0]!.publicKey
await writeProfile(home.path, await appliance.enrol('desk', 'operator'))
const run = runner(home.path)

await shop.run('CREATE TABLE orders (id integer PRIMARY KEY, rest text, country text)')
await shop.run('BEGIN')
for (let id = 1; id <= ROWS; id++) {
  const rest = JSON.stringify({ name: `Jo ${id}`, street: `Damrak ${id}` })
  const token = sealer(publicKey)({ field: 'address.rest', record: `orders/${id}` }, rest)
  await shop.run(`INSERT INTO orders VALUES (?, ?, 'NL')`, id, token)
}
await shop.run('COMMIT')
const mapping = join(home.path, 'shop.map')
const inputs = { street: 'rest', country: 'country' }
const records = {
  home: { type: 'address', inputs, sealed: { rest: 'rest' }, readable: { country: 'country' } },
}
const tables = { orders: { key: ['id'], records } }
writeFileSync(mapping, JSON.stringify({ database: shop.connection, publicKey, tables }))
const grant = (purpose: string) =>
  admin.addGrant({
    agent: 'desk',
    key: 'orders',
    fields: ['address.rest'],
    purposes: [purpose],
    reveal: ['full'],
    budgets: [{ per: 'day', records: BUDGET, operations: null, alarm: false }],
    hours: null,
  })
await grant('ship')
await grant('support')

t.test('When no grant allows it, then every cell says so, and nothing else is there', async t => {
  const args = ['shop', 'open', mapping, '--purpose', 'curiosity', '--key', '1,2', '--column', 'rest']
  const { status, stdout, stderr } = await run(args)
  t.equal(status, 1)
  t.equal(stdout, 'id,rest,claviger_error\n1,,rest:not-granted\n2,,rest:not-granted\n')
  t.match(stderr, /opened 0 of 2 fields .*not-granted 2(.|\n)*hint: not-granted: /)
})

t.test(
  'When the budget ends among the rows, then whole rows are there, and it says when there is room',
  async t => {
    const args = ['shop', 'open', mapping, '--purpose', 'support', '--all', '--format', 'ndjson']
    const { status, stdout, stderr } = await run(args)
    t.equal(status, 1)
    const rows = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.strictSame(
      rows.map(({ id }) => id),
      rows.map((_, i) => String(i + 1)),
    )
    const opened = rows.filter(({ rest }) => rest !== null)
    t.equal(opened.length, BUDGET)
    for (const { id, rest } of opened) t.strictSame(JSON.parse(rest).street, `Damrak ${id}`)
    t.ok(rows.slice(BUDGET).every(row => row.claviger_error === 'rest:over-budget'))
    t.match(stderr, /stopped; 200 rows written: .*over-budget 70(.|\n)*the budget for support is used up/)
  },
)

t.test(
  'When the budget ends among the labels, then the page has what was opened, and each other row is told',
  async t => {
    const args = [
      'shop',
      'labels',
      mapping,
      '--purpose',
      'ship',
      '--all',
      '--from-country',
      'NL',
      '--out',
      'l.html',
    ]
    const { status, stderr } = await run(args)
    t.equal(status, 1)
    const page = readFileSync(join(home.path, 'l.html'), 'utf8')
    t.strictSame(
      [...page.matchAll(/>Damrak (\d+)</g)].map(([, id]) => Number(id)),
      Array.from({ length: BUDGET }, (_, i) => i + 1),
    )
    t.equal(stderr.match(/orders\/\d+ is left out: rest: over-budget/g)?.length, 70)
    t.match(stderr, /stopped; 130 labels in l\.html, 50 rows not asked for\n/)
    t.match(stderr, /the budget for ship is used up/)
  },
)
