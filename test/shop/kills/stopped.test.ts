/** What `claviger shop seal` and `shop rewrap` do and say when somebody stops them, and how rows are counted that are taken again. */

import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { connect } from '../../../host-agent/shop/database/connect.ts'
import type { Database } from '../../../host-agent/shop/database/database.ts'
import { parseMapping } from '../../../host-agent/shop/mapping/mapping.ts'
import { sealTable } from '../../../host-agent/shop/sealing/seal-table.ts'
import { startShop } from '../database/servers.ts'
import { PUBLIC_KEY } from '../database/shop.ts'
import { startDevice } from './device.ts'
import { fillTable, halfRows, lookAtAll, progressOf } from './table.ts'

const ROWS = 2000

t.test('When somebody stops it, then it says what is kept, and the next run goes on', async t => {
  const [device, shop] = [await startDevice(), await startShop('sqlite')]
  t.teardown(async () => {
    await shop.stop()
    await device.stop()
  })
  await fillTable(shop, ROWS)
  const progress = progressOf(shop, ROWS)
  const first = await device.createKey('cards')
  for (const [work, done, signal, code] of [
    ['seal', 'sealed', 'SIGINT', 130],
    ['rewrap', 'rewrapped', 'SIGTERM', 143],
  ] as const) {
    const publicKey = work === 'seal' ? first : await device.rotateKey('cards')
    const token = `clv1.x.cards.${work === 'seal' ? 1 : 2}.`
    const child = device.start(work, shop, publicKey)
    while (child.exitCode === null && (await progress(token)) === 0) await sleep(5)
    child.kill(signal)
    const ended = new Promise(resolve => child.once('close', resolve))
    t.equal(
      /^claviger: stopped.*$/m.exec(await text(child.stderr!))?.[0],
      `claviger: stopped by ${signal}; what was ${done} until now is kept, and the next run goes on`,
    )
    t.equal(await ended, code)
    t.equal(await halfRows(shop, token), 0, `no row is half ${done}`)
    t.ok((await progress(token)) < 1, 'it was in the midst of it')
    const last = device.start(work, shop, publicKey)
    t.equal(await new Promise(resolve => last.once('close', resolve)), 0)
    t.match(await lookAtAll(shop, token, device.opener), { rows: ROWS, wrong: { count: 0 } })
  }
})

t.test('When a row of which some is refused is taken again, then it is counted once', async t => {
  const shop = await startShop('sqlite')
  t.teardown(shop.stop)
  await shop.run('CREATE TABLE cards (id integer PRIMARY KEY, note text, no text)')
  await shop.run(`INSERT INTO cards VALUES (1, 'old', '4242 4242 4242 4243'), (2, 'old', NULL)`)
  const records = { card: { type: 'card', inputs: { number: 'no' }, sealed: { number: 'no' }, readable: {} } }
  const tables = { cards: { key: ['id'], sealed: { note: 'card.note' }, records } }
  const mapping = parseMapping(
    JSON.stringify({ database: shop.connection, publicKey: PUBLIC_KEY, tables }),
    '',
  )
  const database = await connect(mapping.database, {})
  t.teardown(() => database.close())
  let writes = 0
  const shopWritesAllTheTime: Database = {
    ...database,
    page: async (...args) => {
      await shop.run('UPDATE cards SET note = ? WHERE id = 1', `before ${++writes}`)
      const rows = await database.page(...args)
      await shop.run('UPDATE cards SET note = ? WHERE id = 1', `after ${writes}`)
      return rows
    },
  }
  const work = { seal: sealer(PUBLIC_KEY), keyName: 'orders', types: mapping.types }
  const report = await sealTable(
    shopWritesAllTheTime,
    mapping.tables[0]!,
    (await database.describe('cards'))!,
    { ...work, indexOf: () => () => '', isNullable: () => true },
    { dryRun: false },
  )
  t.match(report, { again: 3, faults: [{ fault: 'refused', rows: 1, first: ['cards/1'] }] })
})
