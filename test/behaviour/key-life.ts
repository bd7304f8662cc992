/** The life of a key: which versions open, how often they did, and how they end. Part of the behaviour suite. */
import type { Test } from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { PASSPHRASE, WIDE } from '../support/appliance.ts'
import { PATIENT } from '../support/requests.ts'
import { CARD, type House, one, PLACE } from './suite.ts'

export async function keyLife(t: Test, { appliance, admin }: House): Promise<void> {
  const { tries } = await admin.showSettings()
  // What opens no more is refused, and nobody shall wait for that here.
  await admin.changeSettings(PATIENT)
  t.teardown(() => admin.changeSettings({ tries }))
  const first = await admin.createKey('life')
  const till = await appliance.connect(await appliance.enrol('life-1', 'operator', ['life']))
  const old = sealer(first.versions[0]!.publicKey)(PLACE, CARD)
  const fresh = sealer((await admin.rotateKey('life')).versions[1]!.publicKey)(PLACE, CARD)
  const opens = { results: [{ value: CARD }] }
  const retired = { results: [{ error: { code: 'key-retired' } }] }

  t.test('When versions opened, then it is counted how often, and when the last time was', async t => {
    t.match(first, { minimum: 1, exportable: false, versions: [{ opens: true, opened: { count: 0 } }] })
    const [item] = one(old).items
    await till.decrypt({ purpose: 'charge', items: [item!, item!] })
    const { versions, counted } = await admin.showKey('life')
    t.match(versions, [{ opened: { count: 2 } }, { opened: { count: 0 } }])
    t.ok(versions[0]!.opened!.last! >= counted!, 'seconds since 1970')
    t.equal(versions[1]!.opened!.last, undefined)
    await till.decrypt({ ...one(old), purpose: 'nothing' })
    t.match(
      (await admin.showKey('life')).versions[0],
      { opened: { count: 2 } },
      'what is refused is not counted',
    )
    const seen = await till.showKey('life')
    t.equal(seen.counted, undefined, 'it is for those who read the log')
    t.equal(seen.versions[0]!.opened, undefined)
  })

  t.test('When a minimum is set, then versions below it open no more, until it is lowered', async t => {
    t.match(await admin.setMinimum('life', 2), { minimum: 2, versions: [{ opens: false }, { opens: true }] })
    t.match(await till.decrypt(one(old)), retired)
    t.match(await till.decrypt(one(fresh)), opens)
    t.match(await admin.setMinimum('life', 1), { minimum: 1, versions: [{ opens: true }, { opens: true }] })
    t.match(await till.decrypt(one(old)), opens)
    for (const version of [3, 0x7fff_ffff])
      await t.rejects(admin.setMinimum('life', version), { code: 'unknown-key' })
    await t.rejects(admin.setMinimum('nothing', 1), { code: 'unknown-key' })
    await t.rejects(till.setMinimum('life', 1), { code: 'wrong-role' })
  })

  t.test('When a version is retired, then it opens no more, and that can be taken back', async t => {
    const shown = await admin.retireKey('life', { version: 1 })
    const { retired: mark } = shown.versions[0]!
    t.equal(mark!.days, 7)
    t.ok(mark!.deleted - mark!.since >= 7 * 86_400 - 5)
    t.match(await till.decrypt(one(old)), retired)
    t.match(await till.decrypt(one(fresh)), opens)
    await admin.retireKey('life', { version: 1, days: 30 })
    t.equal((await admin.showKey('life')).versions[0]!.retired!.days, 7, 'a second time changes nothing')
    t.notOk((await admin.undeleteKey('life', { version: 1 })).versions[0]!.retired)
    t.match(await till.decrypt(one(old)), opens)
    await t.rejects(admin.retireKey('life', { version: 2 }), { code: 'key-in-use' })
    await t.rejects(admin.retireKey('life', { version: 3 }), { code: 'unknown-key' })
    await t.rejects(admin.retireKey('life', { days: 31 }), { code: 'malformed-request' })
  })

  t.test('When all of a key is retired, then nothing opens and nothing is sealed under it', async t => {
    await admin.retireKey('life', { days: 1 })
    t.match(await till.decrypt(one(old)), retired)
    t.match(await till.decrypt(one(fresh)), retired)
    await t.rejects(admin.rotateKey('life'), { code: 'key-retired' })
    await t.rejects(admin.makeCanary('life', { ...PLACE, value: CARD }), { code: 'key-retired' })
    await t.rejects(admin.createKey('life'), { code: 'key-exists' })
    const mover = await appliance.connect(await appliance.enrol('mover-3', 'operator'))
    const grant = { ...WIDE, agent: 'mover-3', key: 'orders', reveal: ['rewrap' as const] }
    await admin.addGrant({ ...grant, target: 'life' })
    const orders = sealer((await admin.showKey('orders')).versions[0]!.publicKey)(PLACE, CARD)
    const items = [{ ciphertext: orders, context: PLACE }]
    t.match(await mover.rewrap({ purpose: 'charge', target: 'life', items }), retired)
    await admin.lock()
    await admin.unlock({ passphrase: PASSPHRASE })
    t.match(await till.decrypt(one(old)), retired, 'also after it was locked')
    await admin.undeleteKey('life')
    t.match(await till.decrypt(one(old)), opens)
    t.match(await mover.rewrap({ purpose: 'charge', target: 'life', items }), { results: [{ tokens: [{}] }] })
  })
}
