/** A rewrap is not shared through a file of one machine. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runner } from '../../cli/run.ts'
import { temporaryDirectory } from '../../support/appliance.ts'
import { noteDatabase } from './noting.ts'
import { startShop } from './servers.ts'
import { PUBLIC_KEY } from './shop.ts'

t.test('When the database is a file of one machine, then that is said', async t => {
  const shop = await startShop('sqlite')
  const home = await temporaryDirectory()
  t.teardown(() => Promise.all([shop.stop(), home.remove()]))
  await noteDatabase(t, shop, 'workers share a rewrap', 'it is a file of one machine')
  await shop.run('CREATE TABLE customers (id integer PRIMARY KEY, note text)')
  const path = join(home.path, 'shop.json')
  const tables = { customers: { key: ['id'], sealed: { note: 'customer.note' } } }
  writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey: PUBLIC_KEY, tables }))
  t.match(await runner(home.path)(['shop', 'rewrap', path, '--purpose', 'rotate', '--shared']), {
    status: 1,
    stderr: /file of one machine.*\nhint: leave --shared out/,
  })
})
