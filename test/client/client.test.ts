/** The client library beside its connections: events, what refusals tell, and cards of several namespaces. */
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { parseProvision } from '../../appliance/provision.ts'
import { makeCard } from '../../host-agent/client/card.ts'
import { localTime, nextStep, readProblem, whenLocal } from '../../host-agent/client/errors.ts'
import { EventReader, type ServerEvent, stateOf } from '../../host-agent/client/events.ts'
import type { BrokenExchange } from '../../host-agent/client/exchange.ts'
import { TurnedAway } from '../../host-agent/client/turned-away.ts'
import { openWire, type Wire } from '../../host-agent/client/wire.ts'
import { ERRORS, type ErrorCode } from '../../protocol/api/errors.ts'
import { ROUTES, STATES, type State } from '../../protocol/api/routes.ts'
import { SCHEMAS } from '../../protocol/api/schemas.ts'
import { PASSPHRASE } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const started = await startInProcess()
t.teardown(started.stop)
const { appliance } = started
const admin = await appliance.connect(appliance.admin)
await admin.createKey('orders')

/** Waits for what nobody tells. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

t.test('When events arrive in pieces, then they are what was sent', t => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', ':', ' ', '{', '"', 'ü'), maxLength: 8 })
  const event = fc.record({
    name: word.map(text => text.trim()),
    data: fc.array(word, { minLength: 1, maxLength: 3 }),
  })
  const ends = fc.constantFrom('\n', '\r\n', '\r')
  fc.assert(
    fc.property(
      fc.array(event),
      ends,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (events, end, cuts) => {
        const lines = events.flatMap(({ name, data }) => [
          ': a comment',
          `event: ${name}`,
          'retry: 5',
          ...data.map(line => `data: ${line}`),
          '',
        ])
        const text = `${lines.map(line => line + end).join('')}:${end}`
        const reader = new EventReader()
        const read: ServerEvent[] = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = cuts[i % cuts.length]!
          read.push(...reader.push(text.slice(at, at + size)))
          at += size
        }
        const expected = events.map(({ name, data }) => ({ name: name || 'message', data: data.join('\n') }))
        t.strictSame(read, expected)
      },
    ),
    { numRuns: 100 },
  )
  t.end()
})

t.test('When a stream is garbage, then it is no state, and never holds much', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const states = new EventReader().push(text).map(stateOf)
      return states.every(state => state === null || STATES.includes(state))
    }),
  )
  for (const piece of ['x'.repeat(9000), 'data: x\n'.repeat(1000)]) {
    const reader = new EventReader()
    t.throws(
      () => {
        for (let i = 0; i < 20; i++) reader.push(piece)
      },
      { code: 'bad-response' },
    )
  }
  const of = (name: string, data: string) => stateOf({ name, data })
  t.equal(of('state', '{"state":"lockdown"}'), 'lockdown')
  for (const data of ['', 'null', '"locked"', '{"state":"Locked"}', '{"state":1}', '{'])
    t.equal(of('state', data), null)
  t.equal(of('other', '{"state":"locked"}'), null)
  t.end()
})

t.test('When somebody watches, then every change is told, over lost connections, until the end', async t => {
  const states: State[] = []
  const stop = new AbortController()
  const watching = admin.watch(state => states.push(state), stop.signal)
  await until(() => states.length === 1)
  await admin.lock()
  await until(() => states.length === 2)
  started.app.server.closeAllConnections()
  // Sent again over a new connection, which an unlock would not be.
  await admin.status()
  await admin.unlock({ passphrase: PASSPHRASE })
  await until(() => states.length === 3)
  await admin.lockdown('a test')
  await until(() => states.length === 4)
  t.strictSame(states, ['operational', 'locked', 'operational', 'lockdown'])
  t.match(await admin.liftLockdown(PASSPHRASE), { state: 'locked' })
  await admin.unlock({ passphrase: PASSPHRASE })
  await until(() => states.at(-1) === 'operational')
  stop.abort()
  await watching

  const second = await appliance.connect(appliance.admin)
  let told = 0
  const ended = second.watch(() => told++)
  await until(() => told === 1)
  await second.close()
  await ended
  t.pass('closing the connection ends it')

  const bert = await appliance.connect(await appliance.enrol('bert', 'operator'))
  const refused = bert.watch(() => told++)
  await until(() => told === 2)
  await admin.revoke('bert')
  await t.rejects(refused, { code: /certificate-refused|unknown-agent/ })
})

t.test('When a watcher throws, then the watch ends with that', async t => {
  const mine = new Error('mine')
  await t.rejects(
    admin.watch(() => {
      throw mine
    }),
    mine,
  )
})

t.test('When metrics are asked for, then they come as text', async t => {
  t.match(await admin.metrics(), /^# (HELP|TYPE) claviger_/m)
})

t.test('When a refusal says when, then the hint tells it in local time', t => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  const problem = (rest: object) => JSON.stringify({ type: 'about:blank', status: 429, ...rest })
  const free = now / 1000 + 300
  const over = readProblem(429, problem({ code: 'over-budget', title: 'x', free, hint: 'theirs' }), { now })
  t.match(over, { code: 'over-budget', free, hint: `there is room again at ${localTime(free).slice(11)}` })
  const tries = readProblem(429, problem({ code: 'too-many-tries', title: 'x' }), { now, retryAfter: 86_400 })
  t.match(tries, {
    code: 'too-many-tries',
    free: now / 1000 + 86_400,
    hint: `try again ${whenLocal(now / 1000 + 86_400, now)}`,
  })
  t.match(tries.hint, /^try again on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d$/)
  for (const odd of [1.5, '7', null, {}])
    t.equal(readProblem(429, problem({ code: 'over-budget', free: odd }), { now }).free, undefined)
  t.match(readProblem(403, problem({ code: 'not-granted', title: 'x' })), {
    free: undefined,
    hint: /ask an administrator; claviger admin grant explain tells why/,
  })
  t.match(readProblem(412, problem({ code: 'wrong-state', state: 'lockdown' })), {
    state: 'lockdown',
    message: 'the device is in lockdown',
    hint: 'an administrator lifts it: claviger admin lockdown lift',
  })
  t.equal(readProblem(403, problem({ code: 'outside-hours', hint: 'theirs' })).hint, 'theirs')
  for (const code of Object.keys(ERRORS) as ErrorCode[])
    t.notMatch(nextStep(code) ?? '', /[.]$|^[A-Z]/, 'hints have one voice')
  t.end()
})

t.test('When the table of routes grows, then the client has a method for each', t => {
  const names: Partial<Record<keyof typeof ROUTES, string>> = { events: 'watch' }
  for (const name of Object.keys(ROUTES) as (keyof typeof ROUTES)[]) {
    t.type((admin as unknown as Record<string, unknown>)[names[name] ?? name], 'function', name)
    t.ok(SCHEMAS[name].answer)
  }
  t.end()
})

t.test('When a card is for several namespaces, then each has its own administrator', t => {
  const one = makeCard('owner', 'box')
  t.strictSame(Object.keys(JSON.parse(one.provisionJson)), ['name', 'administrator', 'claim'])
  t.match(one.profile, { name: 'owner', namespace: 'default', role: 'administrator', device: '' })
  t.strictSame(one.profiles, [one.profile])

  const many = makeCard('owner', 'box', ['default', 'shop-a', 'shop-b'])
  const json = JSON.parse(many.provisionJson)
  t.strictSame(Object.keys(json), ['name', 'claim', 'namespaces'])
  t.strictSame(
    many.profiles.map(({ name, namespace }) => [name, namespace]),
    [
      ['owner', 'default'],
      ['owner-shop-a', 'shop-a'],
      ['owner-shop-b', 'shop-b'],
    ],
  )
  t.equal(new Set(many.profiles.map(({ key }) => key)).size, 3)
  t.equal(new Set(many.profiles.map(({ claim }) => claim)).size, 1)
  const read = parseProvision(many.provisionJson)
  t.strictSame([...read.namespaces.keys()], ['default', 'shop-a', 'shop-b'])
  const alone = parseProvision(makeCard('eva', 'box', ['shop']).provisionJson)
  t.match(alone.namespaces.get('shop')?.subject, {
    namespace: 'shop',
    role: 'administrator',
    name: 'eva-shop',
  })
  t.end()
})

t.test(
  'When connections end without a word, then it is a refusal only if the device stayed there',
  async t => {
    const broken = (sent: boolean, fresh: boolean) => ({ sent, fresh }) as BrokenExchange
    const streak = async (greetings: (string | null)[] | null, failures = [broken(true, true)]) => {
      const told = greetings && [...greetings]
      const wire = { ...(told ? { greeting: async () => told.shift()! } : {}) } as Wire
      const turnedAway = new TurnedAway(wire)
      const outcomes: boolean[] = []
      for (let i = 0; i < 6; i++) outcomes.push(await turnedAway.isSo(failures[i % failures.length]!))
      return outcomes.indexOf(true)
    }
    t.equal(await streak(null), 2, 'where nobody can tell, the third is one')
    t.equal(await streak(['a', 'a', 'a', 'a', 'a', 'a']), 2)
    t.equal(await streak(['a', 'a', 'b', 'b', 'b', 'b']), 4, 'the cable was out in between')
    t.equal(await streak(['a', null, 'a', null, 'a', 'a']), -1)
    t.equal(await streak([null, null, null, null, null, null]), -1)
    t.equal(
      await streak(null, [broken(true, true), broken(false, true)]),
      -1,
      'it was not reached in between',
    )
    t.equal(await streak(null, [broken(true, true), broken(true, false)]), -1, 'it had been idle')
  },
)

t.test('When an address is of one link, then it is opened with its interface', async t => {
  for (const address of ['https://[fe80::1%eth0]:9000', 'https://[FE80::1%25eth0]:9000/'])
    t.equal((await openWire(address)).address.toLowerCase(), 'https://[fe80::1%eth0]:9000')
  t.equal((await openWire('https://[fe80::1%wlp2s0]')).address, 'https://[fe80::1%wlp2s0]:8443')
  for (const wrong of [
    'https://[fe80::1%]:1',
    'https://[::1%eth0]',
    'http://[fe80::1%eth0]',
    'https://[fe80::1%e/0]',
  ])
    await t.rejects(openWire(wrong), { code: 'unreachable', message: /is not an address/ }, wrong)
})
