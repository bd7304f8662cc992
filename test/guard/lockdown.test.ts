/** Lockdown and canaries: keys forgotten at once, everybody told, and only an administrator lifts it. */
import t, { type Test } from 'tap'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import type { Profile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { State } from '../../protocol/api/routes.ts'
import type { GrantBody } from '../../protocol/api/schemas.ts'
import {
  flashCard,
  PASSPHRASE,
  PIN,
  startProcesses,
  type TestAppliance,
  temporaryDirectory,
  WIDE,
} from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const FIELD = 'card.number'
const REAL = '4242424242424242'
const DECOY = '4000056655665556'

interface House {
  admin: Appliance
  till: Appliance
  profile: Profile
  token(record: string, value?: string): string
  open(...tokens: [token: string, record: string][]): ReturnType<Appliance['decrypt']>
}

async function furnish(appliance: TestAppliance, budgets: GrantBody['budgets'] = []): Promise<House> {
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('orders')
  const profile = await appliance.enrol('till-1', 'operator', [], PIN)
  await admin.addGrant({ ...WIDE, agent: 'till-1', key: 'orders', budgets })
  const till = await appliance.connect(profile)
  const seal = sealer(key.versions[0]!.publicKey)
  return {
    admin,
    till,
    profile,
    token: (record, value = REAL) => seal({ field: FIELD, record }, value),
    open: (...tokens) =>
      till.decrypt({
        purpose: 'charge',
        items: tokens.map(([ciphertext, record]) => ({ ciphertext, context: { field: FIELD, record } })),
      }),
  }
}

async function start(t: Test, budgets?: GrantBody['budgets']) {
  const device = await startInProcess()
  t.teardown(device.stop)
  return { device, ...(await furnish(device.appliance, budgets)) }
}

/** Follows the states that a caller is told, until one comes. */
function until(agent: Appliance, state: State): Promise<State[]> {
  const seen: State[] = []
  const found = Promise.withResolvers<State[]>()
  const ending = new AbortController()
  agent
    .watch(now => {
      seen.push(now)
      if (now !== state) return
      ending.abort()
      found.resolve(seen)
    }, ending.signal)
    .catch(found.reject)
  return found.promise
}

t.test('When somebody presses the button, then the keys are gone and everybody is told', async t => {
  const { device, admin, till, token, open } = await start(t)
  const told = [until(admin, 'lockdown'), until(till, 'lockdown')]
  const ciphertext = token('cards/1')
  t.match(await open([ciphertext, 'cards/1']), { results: [{ value: REAL }] })
  t.same(await till.lockdown('a stranger is at the desk'), { state: 'lockdown' })
  t.equal(device.vault.unlocked, null)
  for (const states of await Promise.all(told)) t.equal(states.at(-1), 'lockdown')
  await t.rejects(open([ciphertext, 'cards/1']), { code: 'wrong-state', state: 'lockdown' })
  await t.rejects(till.unlock({ pin: PIN, hostShare: 'A'.repeat(43) }), { code: 'wrong-state' })
  await t.rejects(
    admin.unlock({ passphrase: PASSPHRASE }),
    { code: 'wrong-state' },
    'unlocking does not lift it',
  )
  await t.rejects(till.liftLockdown(PASSPHRASE), { code: 'wrong-role' })
  await t.rejects(admin.liftLockdown('not the passphrase'), { code: 'unlock-refused' })
  t.equal((await admin.status()).state, 'lockdown')
  t.match((await admin.health()).alarms[0], { what: 'lockdown', why: 'a stranger is at the desk' })
  t.same(await admin.liftLockdown(PASSPHRASE), { state: 'locked' })
  t.same(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
  t.match(await open([ciphertext, 'cards/1']), { results: [{ value: REAL }] })
})

t.test('When it happens in the middle of requests, then none of them gives a value after it', async t => {
  const { device, till, token, open } = await start(t)
  const tokens = Array.from({ length: 200 }, (_, i): [string, string] => [token(`r/${i}`), `r/${i}`])
  let locked = 0
  device.keeper.on('trust', ({ state }) => {
    if (state === 'lockdown') locked = performance.now()
  })
  const running = Array.from({ length: 8 }, () =>
    open(...tokens).then(
      () => performance.now(),
      error => error.code,
    ),
  )
  const pressed = performance.now()
  await till.lockdown()
  const ends = await Promise.all(running)
  t.ok(locked > 0 && locked >= pressed)
  t.ok(ends.includes('wrong-state'), 'some were under way')
  t.equal(device.vault.unlocked, null)
})

t.test('a canary', async t => {
  const { device, admin, token, open, till } = await start(t)
  const place = { field: FIELD, record: 'cards/666' }
  const { token: canary } = await admin.makeCanary('orders', { ...place, value: DECOY })

  t.test('When one looks at it, then it is like any other token', async t => {
    const real = token('cards/666')
    t.equal(canary.length, real.length)
    t.same(canary.split('.').slice(0, 4), real.split('.').slice(0, 4))
  })

  t.test('When it is asked for at the wrong place or without a grant, then nothing is tripped', async t => {
    t.match(await open([canary, 'cards/1']), { results: [{ error: { code: 'open-failed' } }] })
    const items = [{ ciphertext: canary, context: place }]
    t.match(await till.decrypt({ purpose: 'party', items }), {
      results: [{ error: { code: 'not-granted' } }],
    })
    t.equal(device.keeper.state, 'operational')
  })

  t.test(
    'When it is opened, then the answer is that of any failure, and the device is in lockdown',
    async t => {
      const broken = `${token('cards/2').slice(0, -4)}AAAA`
      const failure = await open([broken, 'cards/2'])
      const told = until(admin, 'lockdown')
      const answer = await open([canary, 'cards/666'])
      t.same(answer.results, failure.results)
      t.same(Object.keys(answer), Object.keys(failure))
      await told
      t.equal(device.vault.unlocked, null)
      t.match((await admin.health()).alarms[0], { what: 'canary', why: /till-1 opened a canary for charge/ })
    },
  )

  t.test('When it is in a batch, then no value of the batch leaves', async t => {
    await admin.liftLockdown(PASSPHRASE)
    await admin.unlock({ passphrase: PASSPHRASE })
    const { results } = await open([token('cards/1'), 'cards/1'], [canary, 'cards/666'])
    t.same(results, [{ error: { code: 'open-failed' } }, { error: { code: 'open-failed' } }])
    t.equal(device.keeper.state, 'lockdown')
  })
})

t.test('When a budget that is marked so is gone over, then the device is in lockdown', async t => {
  const { device, admin, token, open } = await start(t, [
    { per: 'hour', records: 1, operations: null, alarm: true },
  ])
  await open([token('cards/1'), 'cards/1'])
  await t.rejects(open([token('cards/2'), 'cards/2']), { code: 'wrong-state' })
  t.equal(device.keeper.state, 'lockdown')
  t.match((await admin.health()).alarms[0], { what: 'budget', why: /till-1 .* charge/ })
})

t.test(
  'When a caller has to wait for its refusals, then going over such a budget trips it all the same',
  async t => {
    const { device, till, token, open } = await start(t, [
      { per: 'hour', records: 1, operations: null, alarm: true },
    ])
    await open([token('cards/1'), 'cards/1'])
    const refused = {
      purpose: 'party',
      items: [{ ciphertext: token('cards/1'), context: { field: FIELD, record: 'cards/1' } }],
    }
    let code: string | undefined
    for (let i = 0; i < 20 && !code; i++)
      code = await till.decrypt(refused).then(
        () => undefined,
        error => error.code,
      )
    t.equal(code, 'too-many-tries')
    await t.rejects(open([token('cards/2'), 'cards/2']), { code: 'wrong-state' })
    t.equal(device.keeper.state, 'lockdown')
  },
)

t.test('When the power is cut in lockdown, then it is in lockdown afterwards', async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const card = await flashCard(directory.path, '')
  const first = await startProcesses(directory.path)
  await first.appliance.provision(card)
  const { admin: profile } = first.appliance
  await (await first.appliance.connect(profile)).lockdown()
  for (const name of ['keeper', 'gate', 'health'] as const) process.kill(first.pidOf(name), 'SIGKILL')
  await first.appliance.close()
  await first.stop()
  const second = await startProcesses(directory.path)
  t.teardown(second.stop)
  t.match(second.lines.join('\n'), /ready, lockdown/)
  const admin = await second.appliance.connect({ ...profile, addresses: second.appliance.addresses })
  await t.rejects(admin.unlock({ passphrase: PASSPHRASE }), { code: 'wrong-state', state: 'lockdown' })
  t.same(await admin.liftLockdown(PASSPHRASE), { state: 'locked' })
  await second.appliance.close()
})
