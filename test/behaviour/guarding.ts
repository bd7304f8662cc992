/** What an appliance does against somebody with rights who goes too far. Part of the behaviour suite. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { PASSPHRASE, PIN, WIDE } from '../support/appliance.ts'
import { codeOf } from '../support/http.ts'
import { requestOf } from '../support/requests.ts'
import { CARD, type House, one, PLACE } from './suite.ts'

export async function guarding(t: Test, house: House): Promise<void> {
  const { appliance, admin, till, tillProfile, advance, ask } = house
  const books = await appliance.enrol('auditor-2', 'auditor')
  const auditor = await appliance.connect(books)
  const key = (await admin.showKey('orders')).versions[0]!.publicKey
  const token = sealer(key)(PLACE, CARD)

  t.test('When a field was opened, then the answer names its entry in the log', async t => {
    const { results, audit } = await till.decrypt({ ...one(token), reason: 'order 77' })
    t.same(results, [{ value: CARD }])
    const { entries } = await auditor.auditEntries({ from: audit.index, limit: 1 })
    t.match(JSON.parse(entries[0]!), {
      index: audit.index,
      agent: 'till-1',
      action: 'decrypt',
      outcome: 'allowed',
      purpose: 'charge',
      reason: 'order 77',
      items: [{ key: 'orders@1', field: PLACE.field, records: [PLACE.record], reveal: 'full' }],
    })
    t.notMatch(entries[0], CARD)
  })

  t.test('When a grant is for another purpose or for less of a value, then nothing opens', async t => {
    const refused = { results: [{ error: { code: 'not-granted' } }] }
    t.match(await till.decrypt({ ...one(token), purpose: 'marketing' }), refused)
    const desk = await appliance.connect(await appliance.enrol('desk', 'operator'))
    await admin.addGrant({ ...WIDE, agent: 'desk', key: 'orders', reveal: ['last4'] })
    t.match(await desk.decrypt(one(token)), refused)
    const [item] = one(token).items
    const last4 = { purpose: 'charge', items: [{ ...item!, reveal: 'last4' as const }] }
    t.same((await desk.decrypt(last4)).results, [{ value: CARD.slice(-4) }], 'while what is granted opens')
  })

  t.test('When somebody is refused again and again, then it has to wait, and nobody else', async t => {
    const send = () => ask(books, requestOf('decrypt'))
    for (let i = 0; i < 5; i++) t.equal((await send()).status, 403)
    let waits = await send()
    // a slow machine may take longer to ask again than the first waits are long; each is twice the one before
    for (let i = 0; i < 4 && waits.status === 403; i++) waits = await send()
    t.equal(waits.status, 429)
    t.equal(codeOf(waits), 'too-many-tries')
    const { free } = JSON.parse(waits.text)
    const after = Number(waits.headers['retry-after'])
    t.ok(after >= 1 && Number.isInteger(free), waits.text)
    t.equal((await ask(books, requestOf('listKeys'))).status, 200, 'what it may is not refused')
    t.match(await till.decrypt(one(token)), { results: [{ value: CARD }] })
    if (advance) advance(after + 1)
    else await sleep((after + 1) * 1000)
    t.equal((await send()).status, 403, 'it is heard again')
  })

  t.test('When an operator sounds the alarm, then nothing opens until an administrator lifts it', async t => {
    t.same(await till.lockdown('a robbery'), { state: 'lockdown' })
    t.equal((await admin.status()).state, 'lockdown')
    const refused = { code: 'wrong-state', status: 412, state: 'lockdown' }
    await t.rejects(till.decrypt(one(token)), refused)
    await t.rejects(till.unlock({ pin: PIN, hostShare: tillProfile.hostShare! }), refused)
    await t.rejects(admin.unlock({ passphrase: PASSPHRASE }), refused)
    await t.rejects(till.liftLockdown(PASSPHRASE), { code: 'wrong-role' })
    await t.rejects(admin.liftLockdown(`${PASSPHRASE}!`), { code: 'unlock-refused' })
    t.equal((await admin.status()).state, 'lockdown')
    t.match((await auditor.health()).alarms[0], { what: 'lockdown', why: 'a robbery' })
    t.same(await admin.liftLockdown(PASSPHRASE), { state: 'locked' })
    await t.rejects(till.decrypt(one(token)), { code: 'wrong-state', state: 'locked' })
    t.same(await till.unlock({ pin: PIN, hostShare: tillProfile.hostShare! }), { state: 'operational' })
    t.match(await till.decrypt(one(token)), { results: [{ value: CARD }] })
  })
}
