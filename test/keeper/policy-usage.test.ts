/** What was used: counted over sliding windows, replayed from the log, on a time that nobody can set. */
import fc from 'fast-check'
import t from 'tap'
import { BudgetTime, type ClockReading, MAX_OFF_MS } from '../../appliance/keeper/policy/elapsed.ts'
import { type Budget, type Grant, PERIOD_MS } from '../../appliance/keeper/policy/grant.ts'
import { type ReplayedEntry, replayer } from '../../appliance/keeper/policy/replay.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'
import { BUCKETS, SlidingWindow } from '../../appliance/keeper/policy/window.ts'
import { WINDOWS } from '../../protocol/api/routes.ts'

const DAY = 86_400_000

const grantOf = (agent: string, budgets: Budget[], purposes = ['ship']): Grant => ({
  id: 'g1',
  agent,
  key: 'orders',
  fields: ['*'],
  purposes,
  reveal: ['full'],
  budgets,
  hours: null,
  since: 0,
})
const limit = (per: Budget['per'], records: number | null, operations: number | null = null): Budget => ({
  per,
  records,
  operations,
  alarm: false,
})
const budgets: fc.Arbitrary<Budget> = fc
  .record({
    per: fc.constantFrom(...WINDOWS),
    records: fc.option(fc.integer({ min: 1, max: 5 })),
    operations: fc.option(fc.integer({ min: 1, max: 8 })),
    alarm: fc.constant(false),
  })
  .filter(({ records, operations }) => records !== null || operations !== null)

interface Use {
  agent: string
  purpose: string
  key: string
  record: string
  at: number
}
const LONG = 'r'.repeat(200)
const uses: fc.Arbitrary<Use[]> = fc
  .array(
    fc.tuple(
      fc.record({
        agent: fc.constantFrom('a', 'a', 'b'),
        purpose: fc.constantFrom('ship', 'ship', 'charge'),
        key: fc.constantFrom('orders', 'orders', 'customers'),
        record: fc.constantFrom('', 'x', 'y', 'z', `${LONG}1`, `${LONG}2`, 'é'.repeat(100)),
      }),
      fc.oneof(
        fc.constantFrom(0, 1, 999, 1000, 60_000, 61_000, 3_600_000),
        fc.integer({ min: 0, max: 2 * DAY }),
      ),
    ),
    { maxLength: 30 },
  )
  .map(list => {
    let at = 0
    return list.map(([use, later]) => {
      at += later
      return { ...use, at }
    })
  })

/** The same by counting everything again: the uses that `now` still counts for this agent and purpose. */
function counted(past: readonly Use[], agent: string, purpose: string, length: number, now: number): Use[] {
  const width = length / BUCKETS
  const bucket = (at: number) => Math.floor(at / width)
  return past.filter(
    use => use.agent === agent && use.purpose === purpose && bucket(now) - bucket(use.at) <= BUCKETS,
  )
}
/** Distinct records among uses; one without a name is always another. */
function distinct(past: readonly Use[]): number {
  const unbound = past.filter(({ record }) => record === '').length
  return unbound + new Set(past.filter(u => u.record !== '').map(u => `${u.key} ${u.record}`)).size
}

t.test('When uses are counted, then there is room exactly as if everything were counted again', async t => {
  const seen = { room: 0, none: 0 }
  const question = fc.tuple(
    budgets,
    fc.constantFrom('x', 'q', ''),
    fc.oneof(fc.constant(0), fc.nat(40 * DAY)),
  )
  fc.assert(
    fc.property(uses, fc.array(question, { minLength: 1, maxLength: 4 }), (past, questions) => {
      const usage = new Usage()
      usage.watch(
        ['a', 'b'].map(agent =>
          grantOf(
            agent,
            questions.map(([budget]) => budget),
            ['ship', 'charge'],
          ),
        ),
      )
      for (const { agent, purpose, key, record, at } of past) usage.count(agent, purpose, key, record, at)
      let now = past.at(-1)?.at ?? 0
      for (const [budget, record, later] of questions) {
        now += later
        const ask = { agent: 'a', purpose: 'ship', key: 'orders', record, at: now }
        const length = PERIOD_MS[budget.per]
        const fits = (at: number) => {
          const kept = counted(past, 'a', 'ship', length, at)
          return (
            kept.length < (budget.operations ?? Number.POSITIVE_INFINITY) &&
            distinct([...kept, ask]) <= (budget.records ?? Number.POSITIVE_INFINITY)
          )
        }
        const room = usage.room('a', 'ship', budget, 'orders', record, now)
        t.equal(room === null, fits(now))
        // What is exact: within the window itself a limit is never passed.
        const inside = past.filter(
          use => use.agent === 'a' && use.purpose === 'ship' && use.at > now - length,
        )
        if (room === null) {
          seen.room++
          if (budget.records !== null) t.ok(distinct([...inside, ask]) <= budget.records)
          if (budget.operations !== null) t.ok(inside.length < budget.operations)
        } else {
          seen.none++
          t.ok(room > now && room <= now + length + length / BUCKETS, 'at most a sixtieth longer')
          t.ok(fits(room), 'there is room when it was said')
          t.notOk(fits(room - 1), 'and not before')
        }
        const left = usage.left('a', 'ship', budget, now)
        const kept = counted(past, 'a', 'ship', length, now)
        if (budget.operations !== null) t.equal(left.operations, Math.max(0, budget.operations - kept.length))
        if (budget.records !== null) t.equal(left.records, Math.max(0, budget.records - distinct(kept)))
      }
    }),
    { numRuns: 1500 },
  )
  t.ok(seen.room > 300 && seen.none > 300, `${seen.room} ${seen.none}`)
})

t.test(
  'When somebody counts on with a copy, then it goes as it would have gone, and nothing was used',
  async t => {
    const some = fc.array(budgets, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(uses, uses, some, (past, later, limits) => {
        const usage = new Usage()
        usage.watch([grantOf('a', limits)])
        for (const { agent, purpose, key, record, at } of past) usage.count(agent, purpose, key, record, at)
        const now = past.at(-1)?.at ?? 0
        const left = (of: Usage, at: number) => limits.map(limit => of.left('a', 'ship', limit, at))
        const before = left(usage, now)
        const copy = usage.copy('a', 'ship')
        t.same(left(copy, now), before)
        const rest = later.map(use => ({ ...use, at: use.at + now }))
        for (const { key, record, at } of rest) copy.count('a', 'ship', key, record, at)
        t.same(left(usage, now), before)
        for (const { key, record, at } of rest) usage.count('a', 'ship', key, record, at)
        const end = rest.at(-1)?.at ?? now
        t.same(left(copy, end), left(usage, end))
      }),
    )
  },
)

t.test('When records come without end, then no more are kept than the largest limit needs', async t => {
  const window = new SlidingWindow(DAY)
  t.equal(window.keep(100, false), true)
  for (let i = 0; i < 5000; i++) {
    window.advance(i)
    window.add(`r${i}`)
  }
  t.equal(window.records, 101)
  t.equal(window.operations, 0, 'nobody limits operations')
  t.type(window.roomForRecord(100, null), 'number')
  t.type(window.roomForRecord(100, 'r4999'), 'number', 'what is over stays over, for a record in it too')

  const unwatched = new Usage()
  unwatched.count('a', 'ship', 'orders', 'x', 0)
  unwatched.watch([grantOf('b', [limit('day', 3)])])
  unwatched.count('a', 'ship', 'orders', 'x', 0)
  t.throws(() => unwatched.room('a', 'ship', limit('day', 1), 'orders', 'x', 0), { code: 'internal' })
})

t.test('When grants change, then it is known whether what was kept is enough', async t => {
  const usage = new Usage()
  t.equal(usage.watch([]), false)
  t.equal(usage.watch([grantOf('a', [limit('day', 3)])]), true, 'a first budget')
  for (const record of ['x', 'y', 'z']) usage.count('a', 'ship', 'orders', record, 0)
  t.equal(usage.watch([grantOf('a', [limit('day', 3)]), grantOf('b', [])]), false, 'nothing new')
  t.equal(usage.watch([grantOf('a', [limit('day', 2)])]), false, 'a smaller limit')
  t.type(usage.room('a', 'ship', limit('day', 2), 'orders', 'x', 0), 'number', 'and it is over at once')
  t.equal(usage.watch([grantOf('a', [limit('day', 4)])]), true, 'a larger limit')
  t.equal(usage.watch([grantOf('a', [limit('day', 4, 9)])]), true, 'operations too')
  t.equal(usage.watch([grantOf('a', [limit('day', 4, 9), limit('hour', 1)])]), true, 'another window')
  t.equal(usage.watch([grantOf('a', [limit('day', 4, 9)], ['charge'])]), true, 'another purpose')
  t.throws(() => usage.room('a', 'ship', limit('hour', 1), 'orders', 'x', 0), { code: 'internal' })
  usage.count('a', 'charge', 'orders', 'x', 0)
  t.same(usage.left('a', 'charge', limit('day', 4, 9), 0), { records: 3, operations: 8 })
  usage.clear()
  t.same(usage.left('a', 'charge', limit('day', 4, 9), 0), { records: 4, operations: 9 })
})

const boots = fc.constantFrom('boot-1', 'boot-2', 'boot-3')
const readings: fc.Arbitrary<ClockReading[]> = fc.array(
  fc.record({
    boot: boots,
    up: fc.oneof(fc.nat(1000), fc.nat(40 * DAY)),
    wall: fc.oneof(fc.nat(1000), fc.integer({ min: 1.7e12, max: 2.2e12 })),
  }),
  { maxLength: 30 },
)

t.test(
  'When clocks say anything, then budget time never goes back and a reboot adds three days at most',
  async t => {
    fc.assert(
      fc.property(readings, list => {
        const time = new BudgetTime()
        let before = 0
        let last: ClockReading | null = null
        for (const reading of list) {
          const now = time.observe(reading)
          t.equal(time.now, now)
          t.ok(now >= before)
          if (last && last.boot === reading.boot) t.ok(now - before <= Math.max(0, reading.up - last.up))
          else if (last) t.equal(now - before, Math.min(MAX_OFF_MS, Math.max(0, reading.wall - last.wall)))
          else t.equal(now, 0)
          before = now
          last = reading
        }
      }),
      { numRuns: 1000 },
    )
  },
)

t.test('When the clock is right, then budget time is time', async t => {
  const time = new BudgetTime()
  time.observe({ boot: 'a', up: 5000, wall: 1_800_000_000_000 })
  t.equal(time.observe({ boot: 'a', up: 65_000, wall: 1_800_000_060_000 }), 60_000)
  t.equal(time.observe({ boot: 'b', up: 20_000, wall: 1_800_000_160_000 }), 160_000, 'off for a while')
  t.equal(time.observe({ boot: 'b', up: 15_000, wall: 1_800_000_155_000 }), 160_000, 'readings out of order')
  t.equal(time.observe({ boot: 'b', up: 21_000, wall: 1_800_000_161_000 }), 161_000)
})

t.test('When the clock is set a year back or ten years forward, then no budget is reset', async t => {
  const YEAR = 365 * DAY
  const month = limit('month', 2)
  for (const [what, shift, reboot] of [
    ['back', -YEAR, false],
    ['forward', 10 * YEAR, false],
    ['back, with a restart', -YEAR, true],
    ['forward, with a restart', 10 * YEAR, true],
  ] as const) {
    const usage = new Usage()
    usage.watch([grantOf('a', [month])])
    const time = new BudgetTime()
    let wall = Date.UTC(2026, 10, 22)
    for (const [i, record] of ['x', 'y'].entries())
      usage.count('a', 'ship', 'orders', record, time.observe({ boot: 'one', up: i, wall: wall + i }))
    wall += shift
    const now = time.observe({ boot: reboot ? 'two' : 'one', up: 2, wall })
    t.type(usage.room('a', 'ship', month, 'orders', 'z', now), 'number', `set ${what}`)
    // Set right again after a second restart, it has still been three days at most for each.
    const later = time.observe({ boot: 'three', up: 0, wall: wall - shift })
    t.ok(later <= 2 * MAX_OFF_MS + 2)
    t.type(usage.room('a', 'ship', month, 'orders', 'z', later), 'number', `set ${what} and right again`)
  }
})

t.test('When the log is replayed, then every budget stands as it did', async t => {
  const step = fc.record({
    agent: fc.constantFrom('a', 'b'),
    purpose: fc.constantFrom('ship', 'charge'),
    later: fc.constantFrom(0, 1000, 60_000, 3_600_000, DAY),
    boot: fc.constantFrom(null, null, null, 'cut'),
    key: fc.constantFrom('orders', 'customers'),
    records: fc.array(fc.constantFrom('', 'x', 'y', 'z', LONG), { minLength: 1, maxLength: 4 }),
    fate: fc.constantFrom('allowed', 'allowed', 'allowed', 'refused', 'unlock'),
  })
  const place = { field: 'address.ship', reveal: 'full' }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.array(budgets, { minLength: 1 }), (steps, limits) => {
      const grants = ['a', 'b'].map(agent => grantOf(agent, limits, ['ship', 'charge']))
      const live = { usage: new Usage(), time: new BudgetTime() }
      live.usage.watch(grants)
      const log: ReplayedEntry[] = []
      let up = 0
      let wall = 1_795_000_000_000
      let boots = 0
      for (const { agent, purpose, later, boot, key, records, fate } of steps) {
        wall += later
        up = boot === null ? up + later : 7
        if (boot !== null) boots++
        const now = live.time.observe({ boot: `boot-${boots}`, up, wall })
        const code = fate === 'refused' ? { code: 'not-granted' } : {}
        const items = [{ ...place, key: `${key}@3`, records, ...code }]
        const action = fate === 'unlock' ? 'unlock' : 'decrypt'
        log.push({ time: wall, boot: `boot-${boots}`, up, agent, action, purpose, items })
        if (fate === 'allowed')
          for (const record of records) live.usage.count(agent, purpose, key, record, now)
      }
      const again = { usage: new Usage(), time: new BudgetTime() }
      t.equal(again.usage.watch(grants), true)
      const visit = replayer(again.usage, again.time)
      for (const entry of log) visit(entry)
      t.equal(again.time.now, live.time.now)
      for (const agent of ['a', 'b'])
        for (const purpose of ['ship', 'charge'])
          for (const budget of limits)
            for (const record of ['x', 'new']) {
              const ask = [agent, purpose, budget, 'orders', record, live.time.now] as const
              t.equal(again.usage.room(...ask), live.usage.room(...ask))
              t.same(
                again.usage.left(agent, purpose, budget, live.time.now),
                live.usage.left(agent, purpose, budget, live.time.now),
              )
            }
    }),
    { numRuns: 400 },
  )
})

t.test(
  'When an imported key opened, then each opening counts as a record of its own, whatever its caller said',
  async t => {
    const grants = [grantOf('a', [limit('day', 3)])]
    const usage = new Usage()
    usage.watch(grants)
    const visit = replayer(usage, new BudgetTime())
    const item = { key: 'old@legacy', field: 'card.number', reveal: 'full', records: ['1', '1'] }
    const entry = { time: 0, boot: 'a', up: 0, agent: 'a', purpose: 'ship' }
    visit({ ...entry, action: 'decrypt', items: [item] })
    t.equal(usage.left('a', 'ship', limit('day', 3), 0).records, 1)
    visit({ ...entry, action: 'rewrap', items: [{ ...item, reveal: 'rewrap', records: ['1'] }] })
    t.equal(usage.left('a', 'ship', limit('day', 3), 0).records, 0, 'rewrapping counts, too')
    t.not(usage.room('a', 'ship', limit('day', 3), 'old', '', 0), null)
  },
)
