/** Who may see what, as properties: narrower is never refused, order does not matter, removing never allows more. */
import fc from 'fast-check'
import t from 'tap'
import { type Ask, type Decision, decide, judge } from '../../appliance/keeper/policy/decide.ts'
import { explain } from '../../appliance/keeper/policy/explain.ts'
import type { Grant } from '../../appliance/keeper/policy/grant.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'
import { REVEALS, WINDOWS } from '../../protocol/api/routes.ts'

/** A Wednesday, 11:00 in Berlin. */
const WEDNESDAY = Date.UTC(2026, 10, 18, 10)
const SUNDAY = WEDNESDAY + 4 * 86_400_000
const NOT_GRANTED: Decision = { code: 'not-granted', alarm: false }

const fields = fc.constantFrom('address.ship', 'address.bill', 'address', 'card.number')
const someBudgets = fc.array(
  fc
    .record({
      per: fc.constantFrom(...WINDOWS),
      records: fc.option(fc.integer({ min: 1, max: 4 })),
      operations: fc.option(fc.integer({ min: 1, max: 6 })),
      alarm: fc.boolean(),
    })
    .filter(({ records, operations }) => records !== null || operations !== null),
  { maxLength: 3 },
)
const someHours = fc.option(
  fc.record({
    days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
    from: fc.constantFrom('00:00', '08:00', '11:00', '22:30'),
    to: fc.constantFrom('00:00', '06:00', '11:01', '18:00'),
    zone: fc.constantFrom('Europe/Berlin', 'UTC', 'Asia/Kathmandu'),
  }),
  { freq: 2 },
)
const someGrants = fc
  .array(
    fc.record({
      agent: fc.constantFrom('till-1', 'till-1', 'till-2'),
      key: fc.constantFrom('orders', 'orders', 'customers'),
      fields: fc.uniqueArray(fc.constantFrom('*', 'address.*', 'address', 'card.number'), {
        minLength: 1,
        maxLength: 2,
      }),
      purposes: fc.uniqueArray(fc.constantFrom('ship', 'charge'), { minLength: 1 }),
      reveal: fc.uniqueArray(fc.constantFrom(...REVEALS), { minLength: 1 }),
      budgets: someBudgets,
      hours: someHours,
    }),
    { maxLength: 5 },
  )
  .map(list => list.map((one, i): Grant => ({ ...one, id: `g${i + 1}`, since: 0 })))
const someRecord = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e')
const someAsk: fc.Arbitrary<Ask> = fc.record({
  agent: fc.constantFrom('till-1', 'till-1', 'till-1', 'till-2'),
  role: fc.constant('operator' as const),
  key: fc.constantFrom('orders', 'orders', 'customers'),
  field: fields,
  purpose: fc.constantFrom('ship', 'charge'),
  reveal: fc.constantFrom(...REVEALS),
  record: someRecord,
})
/** What happened before: asks that were counted, each with the ms since the one before. */
const somePast = fc.array(fc.tuple(someAsk, fc.constantFrom(0, 500, 59_000, 4_000_000)), { maxLength: 12 })
const someWall = fc.constantFrom(WEDNESDAY, SUNDAY, WEDNESDAY + 13 * 3_600_000)

type Past = [Ask, number][]
function stateOf(grants: readonly Grant[], past: Past) {
  const usage = new Usage()
  usage.watch(grants)
  let now = 0
  for (const [{ agent, purpose, key, record }, later] of past) {
    now += later
    usage.count(agent, purpose, key, record, now)
  }
  return { state: { grants, usage }, now }
}
const allowed = (decision: Decision) => decision.code === undefined

t.test('When a request is narrower than one that is allowed, then it is allowed', async t => {
  let narrowed = 0
  fc.assert(
    fc.property(someGrants, somePast, someAsk, someWall, (grants, past, one, wall) => {
      const { state, now } = stateOf(grants, past)
      const clock = { wall, budget: now }
      if (!allowed(decide(one, state, clock))) return
      const less = one.reveal === 'full' ? (['last4', 'mask', 'equals'] as const) : []
      for (const reveal of less) t.ok(allowed(decide({ ...one, reveal }, state, clock)), reveal)
      // A record that nobody saw is more than one that was seen.
      if (one.record === '')
        for (const record of ['a', 'b']) t.ok(allowed(decide({ ...one, record }, state, clock)), record)
      narrowed += less.length
    }),
    { numRuns: 2000 },
  )
  t.ok(narrowed > 100)
})

t.test('When a whole batch is allowed, then so is each part of it', async t => {
  let batches = 0
  const batch = fc.array(someRecord, { minLength: 1, maxLength: 6 })
  const choice = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })
  fc.assert(
    fc.property(someGrants, somePast, someAsk, batch, choice, (grants, past, one, records, chosen) => {
      const decideAll = (items: readonly string[]) => {
        const { state, now } = stateOf(grants, past)
        return items.every(record => {
          const item = { ...one, record }
          if (!allowed(decide(item, state, { wall: WEDNESDAY, budget: now }))) return false
          state.usage.count(item.agent, item.purpose, item.key, record, now)
          return true
        })
      }
      if (!decideAll(records)) return
      batches++
      t.ok(decideAll(records.filter((_, i) => chosen[i])))
    }),
    { numRuns: 2000 },
  )
  t.ok(batches > 100)
})

t.test('When grants are in another order, then the decision is the same', async t => {
  const shuffled = someGrants.chain(grants =>
    fc.tuple(
      fc.constant(grants),
      fc.shuffledSubarray(grants, { minLength: grants.length, maxLength: grants.length }),
    ),
  )
  const seen = new Set<string>()
  fc.assert(
    fc.property(shuffled, somePast, someAsk, someWall, ([grants, others], past, one, wall) => {
      const { state, now } = stateOf(grants, past)
      const clock = { wall, budget: now }
      const decision = decide(one, state, clock)
      seen.add(decision.code ?? 'allowed')
      t.same(decide(one, { ...state, grants: others }, clock), decision)
      t.same(explain(one, state, clock).decision, decision)
      t.equal(
        explain(one, state, clock).rules.some(({ outcome }) => outcome === 'allows'),
        allowed(decision),
      )
    }),
    { numRuns: 1500 },
  )
  t.same([...seen].sort(), ['allowed', 'not-granted', 'outside-hours', 'over-budget'])
})

t.test('When a grant is removed, then nothing more is allowed', async t => {
  fc.assert(
    fc.property(someGrants, somePast, someAsk, someWall, (grants, past, one, wall) => {
      const { state, now } = stateOf(grants, past)
      const clock = { wall, budget: now }
      const before = decide(one, state, clock)
      for (const gone of grants) {
        const after = decide(one, { ...state, grants: grants.filter(other => other !== gone) }, clock)
        if (allowed(after)) t.ok(allowed(before))
      }
      t.same(decide(one, { ...state, grants: [] }, clock), NOT_GRANTED)
    }),
    { numRuns: 1500 },
  )
})

t.test(
  'When grants want a touch, then with one they are as others, and without they allow nothing',
  async t => {
    const wanted = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 })
    const seen = new Set<string>()
    fc.assert(
      fc.property(someGrants, wanted, somePast, someAsk, someWall, (plain, wants, past, one, wall) => {
        const { state, now } = stateOf(plain, past)
        const clock = { wall, budget: now }
        const grants = plain.map((grant, i) => (wants[i] ? { ...grant, presence: 'touch' as const } : grant))
        const all = decide(one, state, clock)
        const others = grants.filter(({ presence }) => presence === undefined)
        const without = decide(one, { ...state, grants: others }, clock)
        const touched = decide(one, { ...state, grants, touched: true }, clock)
        const untouched = decide(one, { ...state, grants }, clock)
        t.equal(allowed(touched), allowed(all))
        if (allowed(without)) {
          // Who needs no touch is not asked for one, and the log names the grant that needs none.
          t.same(untouched, without)
          t.same(touched, without)
        } else if (allowed(touched)) {
          t.equal(untouched.code, 'touch-missing')
          const isAlarmed = grants.some(grant => {
            const verdict = judge(grant, one, state.usage, clock)
            return verdict.outcome === 'budget' && verdict.alarm
          })
          t.equal(untouched.code && untouched.alarm, isAlarmed)
        } else t.same(untouched, all)
        seen.add(untouched.code ?? 'allowed')
      }),
      { numRuns: 2000 },
    )
    t.same([...seen].sort(), ['allowed', 'not-granted', 'outside-hours', 'over-budget', 'touch-missing'])
  },
)
