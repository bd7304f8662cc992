/** Grants that want a touch: who waits, what a press lets through, and that nothing is used up by waiting. */
import t, { type Test } from 'tap'
import { MAX_WAITING, Presence, TOUCH_MS } from '../../appliance/keeper/panel/presence.ts'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { GrantBody } from '../../protocol/api/schemas.ts'
import { type InProcess, startInProcess } from '../support/in-process.ts'
import { FakeTimers } from './timers.ts'

const VALUE = '4242424242424242'
const FIELD = 'card.number'
const TOUCH = { presence: 'touch' } as const
const perDay = (records: number, alarm = false): GrantBody['budgets'] => [
  { per: 'day', records, operations: null, alarm },
]

interface House {
  device: InProcess
  admin: Appliance
  presence: Presence
  timers: FakeTimers
  operator(name: string, ...grants: Partial<GrantBody>[]): Promise<Appliance>
  /** Asks; the codes of the items, or of the refusal of all. */
  ask(agent: Appliance, ...records: string[]): Promise<string[]>
  /** Resolves when so many requests wait. */
  waiting(count: number): Promise<void>
  /** The newest entries about fields, the latest first. */
  entries(): Promise<{ outcome: string; detail?: object; items: object[] }[]>
}

async function house(t: Test, hasButton = true): Promise<House> {
  const timers = new FakeTimers()
  const presence = new Presence(hasButton, timers.functions)
  const device = await startInProcess({ presence })
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  const seal = sealer((await admin.createKey('orders')).versions[0]!.publicKey)
  return {
    device,
    admin,
    presence,
    timers,
    operator: async (name, ...grants) => {
      const profile = await device.appliance.enrol(name, 'operator')
      const wide = { fields: [FIELD], purposes: ['charge'], reveal: ['full' as const] }
      for (const given of grants)
        await admin.addGrant({ agent: name, key: 'orders', ...wide, budgets: [], hours: null, ...given })
      return device.appliance.connect(profile)
    },
    ask: async (agent, ...records) => {
      const items = records.map(record => ({
        ciphertext: seal({ field: FIELD, record }, VALUE),
        context: { field: FIELD, record },
      }))
      try {
        const { results } = await agent.decrypt({ purpose: 'charge', items })
        return results.map(({ value, error }) => (value === VALUE ? 'opened' : (error?.code ?? 'nothing')))
      } catch (error) {
        return [(error as { code: string }).code]
      }
    },
    waiting: count =>
      new Promise(resolve => {
        const look = () => {
          if (presence.count() !== count) return
          presence.off('change', look)
          resolve()
        }
        presence.on('change', look)
        look()
      }),
    entries: async () => {
      const { entries } = await admin.auditEntries({ from: 0, limit: 4096 })
      return entries
        .map(line => JSON.parse(line))
        .filter(({ action }) => action === 'decrypt')
        .reverse()
    },
  }
}

t.test('When a grant wants a touch, then the request waits for it', async t => {
  const { presence, timers, operator, ask, waiting, entries } = await house(t)
  const till = await operator('till-1', TOUCH)

  t.test('and a press lets it through, and the log says so', async t => {
    const asked = ask(till, 'cards/1')
    await waiting(1)
    t.same(await entries(), [], 'nothing is written before')
    t.ok(presence.press())
    t.same(await asked, ['opened'])
    t.match(await entries(), [{ outcome: 'allowed', detail: { touched: true } }])
    t.equal(timers.size, 0)
    t.notOk(presence.press(), 'nobody waits')
  })

  t.test('and without one in time it is refused, and the log says so', async t => {
    const asked = ask(till, 'cards/2')
    await waiting(1)
    timers.pass(TOUCH_MS - 1)
    t.equal(presence.count(), 1)
    timers.pass(1)
    t.same(await asked, ['touch-missing'])
    t.match((await entries())[0], { outcome: 'refused', items: [{ code: 'touch-missing' }] })
  })

  t.test('and one press lets one through, the oldest', async t => {
    const first = ask(till, 'cards/3')
    await waiting(1)
    const second = ask(till, 'cards/4')
    await waiting(2)
    presence.press()
    t.same(await first, ['opened'])
    t.equal(presence.count(), 1)
    timers.pass(TOUCH_MS)
    t.same(await second, ['touch-missing'])
  })

  t.test('and where too many wait, the next one is refused at once', async t => {
    const many = Array.from({ length: MAX_WAITING }, (_, i) => ask(till, `many/${i}`))
    await waiting(MAX_WAITING)
    t.same(await ask(till, 'cards/5'), ['touch-missing'])
    for (const _ of many) presence.press()
    t.same((await Promise.all(many)).flat(), Array(MAX_WAITING).fill('opened'))
  })
})

t.test('When another grant allows it without, then nobody is asked for a touch', async t => {
  const { presence, operator, ask, waiting, timers, entries } = await house(t)
  const till = await operator('till-1', { budgets: perDay(2) }, TOUCH)
  t.same(await ask(till, 'cards/1', 'cards/2'), ['opened', 'opened'])
  const asked = ask(till, 'cards/1', 'cards/3')
  await waiting(1)
  timers.pass(TOUCH_MS)
  t.same(await asked, ['opened', 'touch-missing'], 'the others are given without')
  const again = ask(till, 'cards/1', 'cards/3')
  await waiting(1)
  presence.press()
  t.same(await again, ['opened', 'opened'])
  const [newest] = await entries()
  t.equal(newest!.items.length, 2, 'by two grants')
})

t.test('When a request waits, then it uses nothing up', async t => {
  const { presence, admin, operator, ask, waiting, timers } = await house(t)
  const left = async () => (await admin.health()).budgets[0]!.records
  const till = await operator('till-1', { ...TOUCH, budgets: perDay(1) })
  const missed = ask(till, 'cards/1')
  await waiting(1)
  t.equal(await left(), 1)
  timers.pass(TOUCH_MS)
  t.same(await missed, ['touch-missing'])
  t.equal(await left(), 1)

  const two = [ask(till, 'cards/1'), ask(till, 'cards/2')]
  await waiting(2)
  presence.press()
  presence.press()
  t.same((await Promise.all(two)).flat().sort(), ['opened', 'over-budget'], 'they do not share the same room')
  t.equal(await left(), 0)
  t.same(await ask(till, 'cards/3'), ['over-budget'], 'what has no room asks nobody')
})

t.test('When a batch is larger than what needs no touch, then the rest of it waits', async t => {
  const { presence, operator, ask, waiting } = await house(t)
  const till = await operator('till-1', { budgets: perDay(1) }, { ...TOUCH, budgets: perDay(3) })
  const asked = ask(till, 'cards/1', 'cards/2', 'cards/3', 'cards/4')
  await waiting(1)
  presence.press()
  t.same(await asked, ['opened', 'opened', 'opened', 'over-budget'])
})

t.test('When budgets are counted anew while a request waits, then its own count is not lost', async t => {
  const { presence, admin, operator, ask, waiting } = await house(t)
  const till = await operator('till-1', TOUCH)
  const asked = ask(till, 'cards/1')
  await waiting(1)
  const { grants } = await admin.listGrants()
  const { id: _, since: __, ...wide } = grants[0]!
  await admin.addGrant({ ...wide, budgets: perDay(1) })
  await admin.removeGrant(grants[0]!.id)
  presence.press()
  t.same(await asked, ['opened'])
  t.same(await ask(till, 'cards/2'), ['over-budget'])
})

t.test('When something changes while a request waits, then a press no longer helps', async t => {
  t.test('the grant is removed', async t => {
    const { presence, admin, operator, ask, waiting } = await house(t)
    const till = await operator('till-1', TOUCH)
    const asked = ask(till, 'cards/1')
    await waiting(1)
    await admin.removeGrant((await admin.listGrants()).grants[0]!.id)
    presence.press()
    t.same(await asked, ['not-granted'])
  })

  t.test('the agent is revoked: it waits no longer', async t => {
    const { presence, admin, operator, ask, waiting, entries } = await house(t)
    const till = await operator('till-1', TOUCH)
    const asked = ask(till, 'cards/1')
    await waiting(1)
    await admin.revoke('till-1')
    t.equal(presence.count(), 0)
    t.not((await asked)[0], 'opened')
    t.same(
      (await entries()).filter(({ items }) => items),
      [],
      'nothing was decided',
    )
  })

  for (const way of ['lock', 'lockdown', 'lockDownByHand'] as const)
    t.test(`${way}: it ends at once`, async t => {
      const { device, presence, admin, operator, ask, waiting, entries } = await house(t)
      const till = await operator('till-1', TOUCH)
      const asked = ask(till, 'cards/1')
      await waiting(1)
      if (way === 'lockDownByHand') await device.device.lockDownByHand()
      else await admin[way]()
      t.equal(presence.count(), 0)
      t.same(await asked, ['wrong-state'])
      if (way !== 'lock') t.same(await entries(), [])
    })
})

t.test('When a budget that is an alarm is gone over', async t => {
  const grants = [{ budgets: perDay(1, true) }, TOUCH]

  t.test('and somebody presses, then another grant allowed it', async t => {
    const { device, presence, operator, ask, waiting } = await house(t)
    const till = await operator('till-1', ...grants)
    await ask(till, 'cards/1')
    const asked = ask(till, 'cards/2')
    await waiting(1)
    presence.press()
    t.same(await asked, ['opened'])
    t.equal(device.keeper.state, 'operational')
  })

  t.test('and nobody does, then it trips', async t => {
    const { device, operator, ask, waiting, timers } = await house(t)
    const till = await operator('till-1', ...grants)
    await ask(till, 'cards/1')
    const asked = ask(till, 'cards/2')
    await waiting(1)
    timers.pass(TOUCH_MS)
    t.same(await asked, ['wrong-state'])
    t.equal(device.keeper.state, 'lockdown')
  })
})

t.test('When an agent is only ever not confirmed, then it has to wait before it asks again', async t => {
  const { presence, operator, ask, waiting, timers } = await house(t)
  const till = await operator('till-1', TOUCH)
  let answer = ''
  for (let i = 0; i < 20 && answer !== 'too-many-tries'; i++) {
    const asked = ask(till, `cards/${i}`)
    await Promise.race([waiting(1), asked])
    timers.pass(TOUCH_MS)
    answer = (await asked)[0]!
  }
  t.equal(answer, 'too-many-tries')
  t.equal(presence.count(), 0)
})

t.test('When the device has no button, then it is refused at once, and explained', async t => {
  const { admin, operator, ask, timers } = await house(t, false)
  const till = await operator('till-1', TOUCH)
  t.same(await ask(till, 'cards/1'), ['touch-missing'])
  t.equal(timers.size, 0)
  const about = { agent: 'till-1', key: 'orders', field: FIELD, purpose: 'charge', reveal: 'full' as const }
  t.match(await admin.explainGrant(about), {
    allowed: false,
    code: 'touch-missing',
    rules: [{ outcome: 'button' }],
  })
})

t.test('When it has one, then the explanation says that it takes a press', async t => {
  const { admin, operator } = await house(t)
  await operator('till-1', TOUCH)
  const about = { agent: 'till-1', key: 'orders', field: FIELD, purpose: 'charge', reveal: 'full' as const }
  t.match(await admin.explainGrant(about), { allowed: true, touch: true, rules: [{ outcome: 'touch' }] })
  t.match((await admin.listGrants()).grants, [{ presence: 'touch' }])
})

t.test('When a touch is awaited, then those who watch are told, and when it is over', async t => {
  const { presence, operator, ask, waiting } = await house(t)
  const till = await operator('till-1', TOUCH)
  const counts: number[] = []
  const ending = new AbortController()
  const over = Promise.withResolvers<void>()
  const onTouch = (count: number) => {
    counts.push(count)
    if (count === 1) presence.press()
    if (count === 0) over.resolve()
  }
  const ready = Promise.withResolvers<void>()
  const watched = till.watchAll({ onState: () => ready.resolve(), onTouch }, ending.signal)
  await ready.promise
  t.same(await ask(till, 'cards/1'), ['opened'])
  await waiting(0)
  await over.promise
  t.same(counts, [1, 0])
  ending.abort()
  await watched
})

t.test(
  'When there are several shops, then the button is for all of them, and each hears of its own',
  async t => {
    const presence = new Presence(true, new FakeTimers().functions)
    const device = await startInProcess({ presence, namespaces: ['north', 'south'] })
    t.teardown(device.stop)
    const told: string[] = []
    device.device.on('touch', ({ namespace, count }) => told.push(`${namespace} ${count}`))
    const asked = [
      presence.ask({ namespace: 'south', agent: 'till-1' }),
      presence.ask({ namespace: 'north', agent: 'till-1' }),
    ]
    t.same(
      device.device
        .greeting()
        .map(([name, params]) => `${name} ${'namespace' in params && params.namespace}`),
      ['trust north', 'touch north', 'trust south', 'touch south'],
    )
    presence.press()
    t.equal(await asked[0], true, 'the oldest, whosever it is')
    t.equal(presence.count('north'), 1)
    await device.houses
      .get('south')!
      .connect(device.houses.get('south')!.admin)
      .then(admin => admin.lock())
    t.equal(presence.count('north'), 1, 'another shop was locked')
    await device.device.lockDownByHand()
    t.equal(await asked[1], false)
    t.same(told, ['south 1', 'north 1', 'south 0', 'north 0'])
    for (const keeper of device.device.keepers) t.equal(keeper.state, 'lockdown')
    const admin = await device.houses.get('north')!.connect(device.houses.get('north')!.admin)
    const entries = async () => (await admin.auditEntries({ from: 0, limit: 100 })).entries
    const lockdowns = (await entries()).filter(line => JSON.parse(line).action === 'lockdown')
    t.equal(lockdowns.length, 1)
    await device.device.lockDownByHand()
    t.equal(
      (await entries()).filter(line => JSON.parse(line).action === 'lockdown').length,
      1,
      'once is enough',
    )
  },
)

t.test('When a keystore is from before there was presence, then its grants are read', async t => {
  const { device, admin, operator } = await house(t)
  await operator('till-1', {}, TOUCH)
  await admin.lock()
  await admin.unlock({ passphrase: 'correct horse battery staple' })
  const { grants } = await admin.listGrants()
  t.same(
    grants.map(({ presence }) => presence),
    [undefined, 'touch'],
  )
  t.equal(device.keeper.state, 'operational')
})
