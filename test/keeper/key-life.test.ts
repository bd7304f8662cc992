/** Retired keys come to their end at their time, whatever the clock says, and not before; and counts outlive a restart. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Chronicle } from '../../appliance/keeper/chronicle.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { Entry } from '../../protocol/audit/entry.ts'
import { PASSPHRASE, WIDE } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const DAY = 86_400
const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const CARD = '4242424242424242'

async function house(t: Test) {
  const device = await startInProcess()
  t.teardown(device.stop)
  const { appliance } = device
  const admin = await appliance.connect(appliance.admin)
  const made = await admin.createKey('orders')
  const token = sealer(made.versions[0]!.publicKey)(PLACE, CARD)
  await admin.rotateKey('orders')
  const till = await appliance.connect(await appliance.enrol('till', 'operator', ['orders']))
  const open = async () => {
    const { results } = await till.decrypt({
      purpose: 'charge',
      items: [{ ciphertext: token, context: PLACE }],
    })
    return results[0]!.error?.code ?? results[0]!.value
  }
  const versions = async () => (await admin.showKey('orders')).versions.map(({ version }) => version)
  return { ...device, admin, open, versions }
}

t.test('When its days are over, then a retired version is deleted, from the disk too', async t => {
  const { admin, keeper, vault, advance, setClock, open, versions, data } = await house(t)
  await admin.retireKey('orders', { version: 1, days: 2 })
  advance(2 * DAY - 60)
  await keeper.purge()
  t.same(await versions(), [1, 2], 'not a minute before')
  setClock(400 * DAY)
  await keeper.purge()
  t.same(await versions(), [1, 2], 'a clock that is set forward deletes nothing')
  await admin.undeleteKey('orders', { version: 1 })
  t.equal(await open(), CARD)
  await admin.retireKey('orders', { version: 1, days: 2 })
  advance(2 * DAY + 1)
  const before = vault.generation
  await keeper.purge()
  t.same(await versions(), [2])
  t.equal(await open(), 'open-failed')
  await t.rejects(admin.undeleteKey('orders', { version: 1 }), { code: 'unknown-key' })
  t.equal(vault.generation, before + 2)
  const [newest, previous] = ['default', 'default.previous'].map(name =>
    readFileSync(join(data, 'keystore', name)),
  )
  t.equal(newest!.length, previous!.length, 'the generation before holds no more than the newest')
  const { entries, size } = await admin.auditEntries({ from: 0, limit: 4096 })
  t.ok(size > 0)
  t.match(entries.join('\n'), /"action":"purgeKey","outcome":"allowed","detail":\{"version":"orders@1"\}/)
})

t.test('When all of a key is over, then its grants go with it, and its name is free', async t => {
  const { admin, keeper, advance } = await house(t)
  await admin.createKey('other')
  await admin.addGrant({ ...WIDE, agent: 'till', key: 'other', reveal: ['rewrap'], target: 'orders' })
  t.equal((await admin.listGrants()).grants.length, 2)
  await admin.retireKey('orders', { days: 1 })
  advance(DAY + 1)
  await keeper.purge()
  await t.rejects(admin.showKey('orders'), { code: 'unknown-key' })
  t.same((await admin.listGrants()).grants, [], 'that of the key, and the one that sealed under it')
  const again = await admin.createKey('orders')
  t.match(again.versions, [{ version: 1, opened: { count: 0 } }])
})

t.test('When it was locked at the time, then it is deleted at the next unlock', async t => {
  const { admin, keeper, advance, versions } = await house(t)
  await admin.retireKey('orders', { version: 1, days: 1 })
  await admin.lock()
  advance(DAY + 1)
  await keeper.purge()
  await admin.unlock({ passphrase: PASSPHRASE })
  await admin.createKey('after')
  t.same(await versions(), [2])
})

t.test('When the log is read back, then openings and retirements are as they were', async t => {
  const entry = (index: number, up: number, more: Partial<Entry>): Entry => ({
    ...{ index, up, time: 1_795_000_000_000 + up, boot: 'a', agent: 'till', role: 'operator' },
    ...{ action: 'decrypt', outcome: 'allowed' },
    ...more,
  })
  const item = { key: 'orders@1', field: 'card.number', reveal: 'full', records: ['1', '2', '2'] }
  const entries = [
    entry(0, 0, { items: [item, { ...item, code: 'not-granted' }] }),
    entry(1, 1000, { action: 'rewrap', items: [{ ...item, key: 'old@legacy' }] }),
    entry(2, 2000, { action: 'retireKey', detail: { key: 'orders', version: 1 } }),
    entry(3, 90_000, { action: 'lock' }),
  ]
  const chronicle = new Chronicle()
  for (const each of entries) chronicle.replay(each)
  const now = chronicle.now({ boot: 'a', up: 102_000, wall: 0 })
  t.same(chronicle.openings('orders@1'), { count: 3, last: entries[0]!.time })
  t.same(chronicle.openings('old@legacy'), { count: 3, last: entries[1]!.time })
  t.same(chronicle.openings('orders@2'), { count: 0, last: 0 })
  t.equal(chronicle.since, entries[0]!.time)
  t.equal(chronicle.sinceRetired(2, now), 100_000)
  t.equal(chronicle.sinceRetired(77, now), 102_000, 'of an entry that is not there, since the oldest that is')
  chronicle.replay(entry(4, 103_000, { action: 'purgeKey', detail: { version: 'orders@1' } }))
  t.same(chronicle.openings('orders@1'), { count: 0, last: 0 })
})
