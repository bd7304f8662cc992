/** Rows by key on each kind of database: in the order that was asked for, and only those whose key is to the letter what was asked for. */
import t, { type Test } from 'tap'
import { connect } from '../../../host-agent/shop/database/connect.ts'
import type { Selection } from '../../../host-agent/shop/database/database.ts'
import { connectionAt } from '../../../host-agent/shop/mapping/connection.ts'
import { describeForReading } from '../../../host-agent/shop/opening/columns.ts'
import { type Key, keyFault, wantedRows } from '../../../host-agent/shop/opening/wanted-rows.ts'
import { type Shop, startShop, whyNot } from './servers.ts'

/** More than are read at once. */
const ROWS = 450

for (const kind of ['sqlite', 'mariadb', 'postgres'] as const)
  t.test(`When rows of ${kind} are wanted, then those come, in that order`, async t => {
    const why = whyNot(kind)
    if (why)
      return process.env.CI ? t.fail(`${why}, and has to be where CI is set`) : t.pass('', { skip: why })
    const shop = await startShop(kind)
    t.teardown(() => shop.stop())
    await rowsCome(t, shop)
  })

async function rowsCome(t: Test, shop: Shop): Promise<void> {
  await shop.run('CREATE TABLE wanted (region varchar(20) NOT NULL, id bigint NOT NULL, note varchar(20))')
  for (let id = 1; id <= ROWS; id++)
    await shop.run(`INSERT INTO wanted VALUES ('${id % 2 ? 'Zoë' : 'b,"c'}', ${id}, 'n${id}')`)
  const database = await connect(connectionAt({ at: '', value: shop.connection }), process.env)
  t.teardown(() => database.close())
  const read = async (key: string[], keys: Key[] | null) => {
    const table = await describeForReading(database, { name: 'wanted', key })
    const selection: Selection = { table, key, columns: ['note'] }
    const missing: Key[] = []
    const notes: (string | null)[] = []
    for await (const rows of wantedRows(database, selection, keys, each => missing.push(each)))
      notes.push(...rows.map(({ cells }) => cells[0]!))
    return { notes, missing }
  }
  const ids = Array.from({ length: ROWS }, (_, i) => ROWS - i)
  t.strictSame(await read(['id'], null), { notes: ids.toReversed().map(id => `n${id}`), missing: [] })
  const backwards = ids.map(id => [String(id)])
  t.strictSame(await read(['id'], backwards), { notes: ids.map(id => `n${id}`), missing: [] })
  const asked = [['007'], ['99999999999999999999'], ['+9'], ['7'], ['-1'], ['451']]
  t.strictSame(await read(['id'], asked), {
    notes: ['n7', 'n9', 'n7'],
    missing: [['99999999999999999999'], ['-1'], ['451']],
  })
  const pairs = [
    ['b,"c', '2'],
    ['ZOË', '3'],
    ['Zoe', '3'],
    ['Zoë', '3'],
    ['Zoë', '2'],
  ]
  t.strictSame(await read(['region', 'id'], pairs), {
    notes: ['n2', 'n3'],
    missing: [pairs[1], pairs[2], pairs[4]],
  })
  const table = (await database.describe('wanted'))!
  for (const key of [['1,2'], ['1 OR 1=1'], ['0x1'], [''], ['1', '2']])
    t.ok(keyFault(key, ['id'], table), key.join(' and '))
  t.equal(keyFault(['-12'], ['id'], table), null)
  await t.rejects(read(['region'], null), { code: 'database-failed', message: /is no key of wanted/ })
  await t.rejects(describeForReading(database, { name: 'nowhere', key: ['id'] }), {
    message: /no table nowhere/,
  })
}
