/** What gets out: grants, reveal modes, budgets, and the record that stays of it, over HTTP. */
import { generateKeyPairSync } from 'node:crypto'
import { compactDecrypt, importJWK } from 'jose'
import t, { type Test } from 'tap'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { Reveal } from '../../protocol/api/routes.ts'
import type { DecryptItem, GrantBody } from '../../protocol/api/schemas.ts'
import { type InProcess, startInProcess } from '../support/in-process.ts'

const CARD = '4242424242424242'
const FIELD = 'card.number'
const LAST = { reveal: 'last4' } as const

/** A grant for `charge`; what is given goes before. */
const grantFor = (agent: string, given: Partial<GrantBody> = {}): GrantBody => ({
  agent,
  key: 'orders',
  fields: [FIELD],
  purposes: ['charge'],
  reveal: ['full'],
  budgets: [],
  hours: null,
  ...given,
})

interface House {
  device: InProcess
  admin: Appliance
  seal: ReturnType<typeof sealer>
  /** An operator with these grants. */
  operator(name: string, ...grants: Partial<GrantBody>[]): Promise<Appliance>
  item(record: string, extra?: Partial<DecryptItem>): DecryptItem
}

async function house(t: Test): Promise<House> {
  const device = await startInProcess()
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  const key = await admin.createKey('orders')
  const seal = sealer(key.versions[0]!.publicKey)
  return {
    device,
    admin,
    seal,
    operator: async (name, ...grants) => {
      const profile = await device.appliance.enrol(name, 'operator')
      for (const given of grants) await admin.addGrant(grantFor(name, given))
      return device.appliance.connect(profile)
    },
    item: (record, extra = {}) => ({
      ciphertext: seal({ field: FIELD, record }, CARD),
      context: { field: FIELD, record },
      ...extra,
    }),
  }
}

const codes = (answer: { results: { error?: { code: string } }[] }) =>
  answer.results.map(({ error }) => error?.code ?? 'opened')

t.test('grants', async t => {
  const { admin, operator, item, seal } = await house(t)
  const ask = (agent: Appliance, purpose: string, extra: Partial<DecryptItem> = {}) =>
    agent.decrypt({ purpose, items: [item('cards/1', extra)] }).then(codes)

  t.test('When an agent was granted nothing, then it opens nothing', async t => {
    t.same(await ask(await operator('bare'), 'charge'), ['not-granted'])
  })

  t.test('When it was granted one thing, then that and no other', async t => {
    const till = await operator('till-1', {})
    t.same(await ask(till, 'charge'), ['opened'])
    t.same(await ask(till, 'ship'), ['not-granted'], 'another purpose')
    const context = { field: 'card.holder', record: 'cards/1' }
    const other = { ciphertext: seal(context, 'A. Person'), context }
    t.same(codes(await till.decrypt({ purpose: 'charge', items: [other] })), ['not-granted'], 'another field')
    await admin.createKey('payroll')
    const key = await admin.showKey('payroll')
    const foreign = sealer(key.versions[0]!.publicKey)({ field: FIELD, record: 'cards/1' }, CARD)
    const answer = await till.decrypt({
      purpose: 'charge',
      items: [{ ...item('cards/1'), ciphertext: foreign }],
    })
    t.same(codes(answer), ['not-granted'], 'another key')
  })

  t.test('When the grant is removed, then nothing opens any more', async t => {
    const till = await operator('till-2', {})
    t.same(await ask(till, 'charge'), ['opened'])
    const { grants } = await admin.listGrants()
    await admin.removeGrant(grants.find(({ agent }) => agent === 'till-2')!.id)
    t.same(await ask(till, 'charge'), ['not-granted'])
  })

  t.test(
    'When the agent is revoked, then its grants go with it and a new one of its name has none',
    async t => {
      await operator('till-3', {})
      await admin.revoke('till-3')
      t.notOk((await admin.listGrants()).grants.some(({ agent }) => agent === 'till-3'))
      t.same(await ask(await operator('till-3'), 'charge'), ['not-granted'])
    },
  )

  t.test('When it is asked why, then the rule that decides is named', async t => {
    await operator('till-4', { purposes: ['ship'] }, {})
    const ids = (await admin.listGrants()).grants
      .filter(({ agent }) => agent === 'till-4')
      .map(({ id }) => id)
    const about = { agent: 'till-4', key: 'orders', field: FIELD, reveal: 'full' as Reveal }
    t.match(await admin.explainGrant({ ...about, purpose: 'charge' }), {
      allowed: true,
      grant: ids[1],
      rules: [
        { grant: ids[0], outcome: 'purpose' },
        { grant: ids[1], outcome: 'allows' },
      ],
    })
    t.match(await admin.explainGrant({ ...about, purpose: 'party' }), { allowed: false, code: 'not-granted' })
  })

  t.test('When a grant makes no sense, then it is refused with what is wrong', async t => {
    const bad: [Partial<GrantBody>, string][] = [
      [{ agent: 'nobody' }, 'unknown-name'],
      [{ agent: 'owner' }, 'wrong-role'],
      [{ key: 'nothing' }, 'unknown-key'],
      [{ fields: ['card.cvv'] }, 'forbidden-field'],
      [{ fields: ['a.*.b'] }, 'malformed-request'],
      [{ hours: { days: [1], from: '08:00', to: '17:00', zone: 'Mars/Olympus' } }, 'malformed-request'],
      [{ budgets: [{ per: 'day', records: null, operations: null, alarm: false }] }, 'malformed-request'],
    ]
    await operator('till-5')
    for (const [given, code] of bad)
      await t.rejects(admin.addGrant(grantFor('till-5', given)), { code }, JSON.stringify(given))
  })

  t.test('When a field is of a class that must not be stored, then it does not open', async t => {
    const till = await operator('till-6', { fields: ['*'] })
    const context = { field: 'card.cvv', record: 'cards/1' }
    const answer = await till.decrypt({ purpose: 'charge', items: [{ ...item('cards/1'), context }] })
    t.same(codes(answer), ['forbidden-field'])
  })
})

t.test('reveal modes', async t => {
  const { admin, operator, item } = await house(t)
  const first = async (agent: Appliance, extra: Partial<DecryptItem>) =>
    (await agent.decrypt({ purpose: 'charge', items: [item('cards/1', extra)] })).results[0]!

  t.test('When only a part is granted, then only that part leaves the device', async t => {
    const till = await operator('till-1', { reveal: ['last4', 'mask', 'equals'] })
    t.same(await first(till, LAST), { value: '4242' })
    t.same(await first(till, { reveal: 'mask', keep: 2 }), { value: `${'•'.repeat(14)}42` })
    t.same(await first(till, { reveal: 'equals', candidate: CARD }), { equals: true })
    t.same(await first(till, { reveal: 'equals', candidate: '4000' }), { equals: false })
    t.match(await first(till, {}), { error: { code: 'not-granted' } })
  })

  t.test('When a value is forwarded, then only the recipient can read it', async t => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RSA-OAEP-256', kid: 'processor-1' }
    await admin.addRecipient({ name: 'processor', jwk })
    const till = await operator('till-2', { reveal: ['forward'] })
    const { jwe, value } = await first(till, { reveal: 'forward', recipient: 'processor' })
    t.equal(value, undefined)
    const key = await importJWK(privateKey.export({ format: 'jwk' }) as never, 'RSA-OAEP-256')
    const { plaintext } = await compactDecrypt(jwe!, key)
    t.equal(new TextDecoder().decode(plaintext), CARD)
    t.match(await first(till, { reveal: 'forward', recipient: 'nobody' }), {
      error: { code: 'unknown-recipient' },
    })
    const secret = privateKey.export({ format: 'jwk' }) as Record<string, unknown>
    await t.rejects(admin.addRecipient({ name: 'wrong', jwk: secret }), { code: 'bad-recipient' })
    await admin.removeRecipient('processor')
    t.match(await first(till, { reveal: 'forward', recipient: 'processor' }), {
      error: { code: 'unknown-recipient' },
    })
  })

  t.test('When a mode lacks what it needs, then the request is malformed', async t => {
    const till = await operator('till-3', {})
    for (const reveal of ['equals', 'forward'] as const)
      await t.rejects(till.decrypt({ purpose: 'charge', items: [item('cards/1', { reveal })] }), {
        code: 'malformed-request',
      })
  })
})

t.test('budgets', async t => {
  const { device, admin, operator, item } = await house(t)
  const perDay = (records: number) => ({ per: 'day' as const, records, operations: null, alarm: false })
  const open = (agent: Appliance, ...records: string[]) =>
    agent.decrypt({ purpose: 'charge', items: records.map(record => item(record)) })

  t.test('When the budget is used up, then the answer is 429 and tells when there is room', async t => {
    const till = await operator('till-1', { budgets: [perDay(2)] })
    t.same(codes(await open(till, 'cards/1', 'cards/2', 'cards/1')), ['opened', 'opened', 'opened'])
    const before = Math.floor(Date.now() / 1000)
    const refusal = await open(till, 'cards/3').catch(error => error)
    t.match(refusal, { code: 'over-budget', status: 429 })
    t.ok(refusal.free > before + 80_000 && refusal.free <= before + 86_400 + 1500, `free at ${refusal.free}`)
    t.same(codes(await open(till, 'cards/2')), ['opened'], 'a record that was seen is no new one')
    t.same(codes(await open(till, 'cards/1', 'cards/4')), ['opened', 'over-budget'], 'item by item')
    device.advance(90_000)
    t.same(codes(await open(till, 'cards/5')), ['opened'], 'a day later')
  })

  t.test('When a grant with a budget comes later, then what was opened before it counts', async t => {
    const till = await operator('till-2', {})
    await open(till, 'cards/1', 'cards/2')
    const { grants } = await admin.listGrants()
    await admin.removeGrant(grants.find(({ agent }) => agent === 'till-2')!.id)
    await admin.addGrant(grantFor('till-2', { budgets: [perDay(2)] }))
    t.match(await open(till, 'cards/3').catch(error => error), { code: 'over-budget' })
    t.match(
      (await admin.health()).budgets.filter(({ agent }) => agent === 'till-2'),
      [{ records: 0 }],
    )
  })

  t.test(
    'When the clock is set back a year or forward ten, then the budget is used up as before',
    async t => {
      const year = 365 * 86_400
      const till = await operator('till-4', { budgets: [perDay(1)] })
      await open(till, 'cards/1')
      for (const seconds of [-year, 11 * year, -10 * year]) {
        device.setClock(seconds)
        t.match(await open(till, 'cards/2').catch(error => error), { code: 'over-budget' }, `${seconds} s`)
      }
      device.advance(90_000)
      t.same(codes(await open(till, 'cards/2')), ['opened'], 'only time that passes counts')
    },
  )

  t.test('When 32 requests race for the last 10, then 10 get through', async t => {
    const till = await operator('till-3', { budgets: [perDay(10)] })
    const answers = await Promise.allSettled(
      Array.from({ length: 32 }, (_, i) => open(till, `race/${i}`).then(codes)),
    )
    const opened = answers.filter(answer => answer.status === 'fulfilled' && answer.value[0] === 'opened')
    t.equal(opened.length, 10)
  })
})

t.test('When 64 clients are there at once, then each has its answers and each answer its entry', async t => {
  const { device, admin, operator, item } = await house(t)
  await operator('till-1', {})
  const profile = await device.appliance.enrol('till-2', 'operator')
  await admin.addGrant(grantFor('till-2'))
  const clients = await Promise.all(Array.from({ length: 64 }, () => device.appliance.connect(profile)))
  const answers = await Promise.all(
    clients.flatMap((client, c) =>
      Array.from({ length: 5 }, async (_, i) => {
        const { results, audit } = await client.decrypt({ purpose: 'charge', items: [item(`c/${c}/${i}`)] })
        return { value: results[0]!.value, index: audit.index, record: `c/${c}/${i}` }
      }),
    ),
  )
  t.equal(new Set(answers.map(({ index }) => index)).size, 320)
  t.ok(answers.every(({ value }) => value === CARD))
  const { entries } = await admin.auditEntries({ from: 0, limit: 4096 })
  const wrong = answers.filter(
    ({ index, record }) => JSON.parse(entries[index]!).items[0].records[0] !== record,
  )
  t.same(wrong, [])
})

t.test('the record of it', async t => {
  const { admin, operator, item } = await house(t)
  const till = await operator('till-1', {})
  const items = [item('cards/1'), item('cards/2'), item('cards/3', LAST)]
  const bad = { ...item('cards/4'), context: { field: 'card.holder', record: 'cards/4' } }
  const { audit } = await till.decrypt({ purpose: 'charge', reason: 'monday', items: [...items, bad] })
  const { entries } = await admin.auditEntries({ from: audit.index, limit: 1 })
  const entry = JSON.parse(entries[0]!)
  t.match(entry, {
    index: audit.index,
    agent: 'till-1',
    role: 'operator',
    action: 'decrypt',
    outcome: 'allowed',
    purpose: 'charge',
    reason: 'monday',
    count: 4,
    items: [
      { key: 'orders@1', field: FIELD, reveal: 'full', records: ['cards/1', 'cards/2'] },
      { key: 'orders@1', field: FIELD, reveal: 'last4', records: ['cards/3'] },
      { key: 'orders@1', field: 'card.holder', reveal: 'full', records: ['cards/4'], code: 'not-granted' },
    ],
  })
  t.notOk(entries[0]!.includes(CARD), 'no plaintext')
  for (const { ciphertext } of items) t.notOk(entries[0]!.includes(ciphertext), 'no token')
  const { entries: all } = await admin.auditEntries({ from: 0, limit: 100 })
  const actions = all.map(line => JSON.parse(line).action)
  for (const action of ['provision', 'createKey', 'invite', 'enrol', 'addGrant', 'auditEntries'])
    t.ok(actions.includes(action), `${action} is written`)
})
