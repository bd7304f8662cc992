/** What an operator is told of itself: its grants, what is left of them, and its entries of the log. Part of the behaviour suite. */
import type { Test } from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { PIN, WIDE } from '../support/appliance.ts'
import { requestOf } from '../support/requests.ts'
import { CARD, type House, one, PLACE } from './suite.ts'

export async function own(t: Test, { appliance, admin, till, ask }: House): Promise<void> {
  const key = (await admin.showKey('orders')).versions.at(-1)!.publicKey
  const token = sealer(key)(PLACE, CARD)
  const profile = await appliance.enrol('own-1', 'operator', [], PIN)
  const desk = await appliance.connect(profile)
  const budget = { records: 5, operations: 9, alarm: false }
  const mine = { ...WIDE, agent: 'own-1', key: 'orders', purposes: ['charge', 'ship'] }
  const grant = await admin.addGrant({ ...mine, budgets: [{ ...budget, per: 'day' }] })

  await t.test(
    'When an operator asks what it may, then it sees its own grants and what is left of them',
    async t => {
      t.ok((await admin.listGrants()).grants.length > 1, 'while there are those of others')
      const per = { per: 'day', records: 5, operations: 9 }
      t.same(await desk.myGrants(), {
        grants: [grant],
        budgets: [
          { purpose: 'charge', ...per },
          { purpose: 'ship', ...per },
        ],
      })
      t.match(await desk.decrypt(one(token)), { results: [{ value: CARD }] })
      t.same((await desk.myGrants()).budgets, [
        { purpose: 'charge', per: 'day', records: 4, operations: 8 },
        { purpose: 'ship', ...per },
      ])
      t.ok((await till.myGrants()).grants.every(({ agent }) => agent === 'till-1'))
    },
  )

  await t.test(
    'When an operator reads the log, then it sees its own entries alone, newest first',
    async t => {
      const theirs = await till.decrypt({ ...one(token), reason: 'of another' })
      const first = await desk.decrypt({ ...one(token), reason: 'first' })
      const refused = await desk.decrypt({ ...one(token), purpose: 'marketing' })
      const { entries, complete } = await desk.auditMine({ since: 0, limit: 1000 })
      const read = entries.map(line => JSON.parse(line))
      t.ok(complete)
      t.same([...new Set(read.map(({ agent }) => agent))], ['own-1'])
      t.match(read.slice(0, 3), [
        { action: 'auditMine', outcome: 'allowed' },
        { index: refused.audit.index, items: [{ code: 'not-granted' }] },
        { index: first.audit.index, reason: 'first', items: [{ records: [PLACE.record] }] },
      ])
      t.notMatch(entries.join(), 'of another')
      t.notMatch(entries.join(), CARD)
      const indices = read.map(({ index }) => index)
      t.same(
        indices,
        indices.toSorted((a, b) => b - a),
      )
      const { entries: all } = await admin.auditEntries({ from: theirs.audit.index, limit: 100 })
      t.same(
        entries.slice(0, 3),
        all.filter(line => JSON.parse(line).agent === 'own-1').toReversed(),
        'as they stand in it',
      )
      const others = (await till.auditMine({ since: 0, limit: 1000 })).entries.map(line => JSON.parse(line))
      t.ok(others.some(({ reason }) => reason === 'of another'))
      t.same([...new Set(others.map(({ agent }) => agent))], ['till-1'])
    },
  )

  await t.test('When there are more entries than asked for, or older ones, then it is told', async t => {
    const two = await desk.auditMine({ since: 0, limit: 2 })
    t.match({ length: two.entries.length, complete: two.complete }, { length: 2, complete: false })
    const { time } = JSON.parse(two.entries[0]!)
    const recent = await desk.auditMine({ since: time, limit: 1000 })
    t.ok(recent.complete)
    t.ok(recent.entries.every(line => JSON.parse(line).time >= time))
    t.ok(recent.entries.includes(two.entries[0]!))
    t.same((await desk.auditMine({ since: time + 86_400_000, limit: 10 })).entries, [])
    for (const body of [
      { since: -1, limit: 1 },
      { since: 0.5, limit: 1 },
      { since: 0, limit: 1001 },
      { since: 0, limit: 0 },
    ])
      t.equal((await ask(profile, requestOf('auditMine', body))).status, 400, JSON.stringify(body))
  })

  await t.test(
    'When a name is given again, then its entries of before are not for the new agent',
    async t => {
      await admin.revoke('own-1')
      await ask(profile, requestOf('decrypt'))
      const again = await appliance.connect(await appliance.enrol('own-1', 'operator', [], PIN))
      await ask(profile, requestOf('decrypt'))
      const { entries, complete } = await again.auditMine({ since: 0, limit: 1000 })
      t.ok(complete)
      const actions = entries.map(line => JSON.parse(line).action)
      t.same(actions, ['auditMine', 'keystore', 'enrol'], 'not what the revoked certificate tries, either')
      t.same(await again.myGrants(), { grants: [], budgets: [] })
      await admin.revoke('own-1')
    },
  )
}
