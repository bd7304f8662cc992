/** Who may see what: the rules of a grant, the decision as a table of examples, and its explanation. */
import fc from 'fast-check'
import t from 'tap'
import {
  type Ask,
  type Decision,
  decide,
  type Outcome,
  type PolicyClock,
} from '../../appliance/keeper/policy/decide.ts'
import { explain } from '../../appliance/keeper/policy/explain.ts'
import { type Budget, checkGrant, Grant, type Hours } from '../../appliance/keeper/policy/grant.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'

const base: Grant = {
  id: 'g1',
  agent: 'till-1',
  key: 'orders',
  fields: ['address.*'],
  purposes: ['ship'],
  reveal: ['full'],
  budgets: [],
  hours: null,
  since: 1_795_000_000,
}
const grant = (change: Partial<Grant> = {}): Grant => ({ ...base, ...change })
const budget = (per: Budget['per'], records: number | null, more: Partial<Budget> = {}): Budget => ({
  per,
  records,
  operations: null,
  alarm: false,
  ...more,
})
const office: Hours = { days: [1, 2, 3, 4, 5], from: '08:00', to: '18:00', zone: 'Europe/Berlin' }

const ask: Ask = {
  agent: 'till-1',
  role: 'operator',
  key: 'orders',
  field: 'address.ship',
  purpose: 'ship',
  reveal: 'full',
  record: 'orders/1',
}
/** A Wednesday, 11:00 in Berlin. */
const WEDNESDAY = Date.UTC(2026, 10, 18, 10)
const SUNDAY = WEDNESDAY + 4 * 86_400_000
const clock: PolicyClock = { wall: WEDNESDAY, budget: 0 }

/** Usage that watches these grants, with these records of orders shipped already. */
function used(grants: readonly Grant[], records: readonly string[] = [], at = 0): Usage {
  const usage = new Usage()
  usage.watch(grants)
  for (const record of records) usage.count('till-1', 'ship', 'orders', record, at)
  return usage
}

interface Example {
  when: string
  grants: Grant[]
  ask?: Partial<Ask>
  shipped?: string[]
  wall?: number
  result: Decision
}
const refused = (code: 'wrong-role' | 'not-granted' | 'outside-hours'): Decision => ({ code, alarm: false })
const HOUR_OVER = 61 * 60_000
const DAY_OVER = 61 * 24 * 60_000

const EXAMPLES: Example[] = [
  { when: 'there is no grant', grants: [], result: refused('not-granted') },
  { when: 'a grant fits', grants: [grant()], result: { grant: 'g1' } },
  {
    when: 'an administrator asks',
    grants: [grant()],
    ask: { role: 'administrator' },
    result: refused('wrong-role'),
  },
  { when: 'an auditor asks', grants: [grant()], ask: { role: 'auditor' }, result: refused('wrong-role') },
  { when: 'a backup asks', grants: [grant()], ask: { role: 'backup' }, result: refused('wrong-role') },
  {
    when: 'it is of another agent',
    grants: [grant({ agent: 'till-2' })],
    result: refused('not-granted'),
  },
  { when: 'it is for another key', grants: [grant({ key: 'customers' })], result: refused('not-granted') },
  {
    when: 'it is for another purpose',
    grants: [grant()],
    ask: { purpose: 'charge' },
    result: refused('not-granted'),
  },
  {
    when: 'the class is another',
    grants: [grant()],
    ask: { field: 'card.number' },
    result: refused('not-granted'),
  },
  {
    when: 'the class is above the pattern',
    grants: [grant()],
    ask: { field: 'address' },
    result: refused('not-granted'),
  },
  {
    when: 'all may be seen, but not sealed again',
    grants: [grant()],
    ask: { reveal: 'rewrap' },
    result: refused('not-granted'),
  },
  {
    when: 'it may be sealed again under the same key',
    grants: [grant({ reveal: ['rewrap'] })],
    ask: { reveal: 'rewrap' },
    result: { grant: 'g1' },
  },
  {
    when: 'it may be sealed again, and is to be shown',
    grants: [grant({ reveal: ['rewrap'] })],
    result: refused('not-granted'),
  },
  {
    when: 'it may be sealed again under this key',
    grants: [grant({ reveal: ['rewrap'], target: 'cards' })],
    ask: { reveal: 'rewrap', target: 'cards' },
    result: { grant: 'g1' },
  },
  {
    when: 'it may be sealed again under another key',
    grants: [grant({ reveal: ['rewrap'], target: 'cards' })],
    ask: { reveal: 'rewrap' },
    result: refused('not-granted'),
  },
  {
    when: 'it is to be sealed again under another key',
    grants: [grant({ reveal: ['rewrap'] })],
    ask: { reveal: 'rewrap', target: 'cards' },
    result: refused('not-granted'),
  },
  {
    when: 'the class only begins alike',
    grants: [grant()],
    ask: { field: 'addressee' },
    result: refused('not-granted'),
  },
  {
    when: 'the class is far below',
    grants: [grant()],
    ask: { field: 'address.ship.zip' },
    result: { grant: 'g1' },
  },
  {
    when: 'nothing follows the dot',
    grants: [grant()],
    ask: { field: 'address.' },
    result: refused('not-granted'),
  },
  {
    when: 'the exact class has one below',
    grants: [grant({ fields: ['address'] })],
    result: refused('not-granted'),
  },
  {
    when: 'one of many patterns fits',
    grants: [grant({ fields: ['phone', 'address.ship'] })],
    result: { grant: 'g1' },
  },
  {
    when: 'the pattern is for all',
    grants: [grant({ fields: ['*'] })],
    ask: { field: 'x' },
    result: { grant: 'g1' },
  },
  { when: 'less than full is asked', grants: [grant()], ask: { reveal: 'mask' }, result: { grant: 'g1' } },
  {
    when: 'forwarding is not named',
    grants: [grant()],
    ask: { reveal: 'forward' },
    result: refused('not-granted'),
  },
  {
    when: 'only forwarding is named',
    grants: [grant({ reveal: ['forward'] })],
    ask: { reveal: 'forward' },
    result: { grant: 'g1' },
  },
  {
    when: 'only forwarding is named and the value is asked',
    grants: [grant({ reveal: ['forward'] })],
    result: refused('not-granted'),
  },
  {
    when: 'only the last four are named and the shape is asked',
    grants: [grant({ reveal: ['last4'] })],
    ask: { reveal: 'mask' },
    result: refused('not-granted'),
  },
  { when: 'it is office hours', grants: [grant({ hours: office })], result: { grant: 'g1' } },
  {
    when: 'it is Sunday',
    grants: [grant({ hours: office })],
    wall: SUNDAY,
    result: refused('outside-hours'),
  },
  {
    when: 'it is Sunday and the agent has another grant for always',
    grants: [grant({ hours: office }), grant({ id: 'g2' })],
    wall: SUNDAY,
    result: { grant: 'g2' },
  },
  {
    when: 'it is Sunday and the grant would not fit on Monday either',
    grants: [grant({ hours: office, key: 'customers' })],
    wall: SUNDAY,
    result: refused('not-granted'),
  },
  {
    when: 'the budget has room for one more',
    grants: [grant({ budgets: [budget('hour', 2)] })],
    shipped: ['orders/7'],
    result: { grant: 'g1' },
  },
  {
    when: 'the budget is used up',
    grants: [grant({ budgets: [budget('hour', 2)] })],
    shipped: ['orders/7', 'orders/8'],
    result: { code: 'over-budget', free: HOUR_OVER, alarm: false },
  },
  {
    when: 'the budget is used up, but this record is in it',
    grants: [grant({ budgets: [budget('hour', 2)] })],
    shipped: ['orders/7', 'orders/1', 'orders/7', 'orders/7'],
    result: { grant: 'g1' },
  },
  {
    when: 'operations are used up on one record',
    grants: [grant({ budgets: [budget('hour', null, { operations: 3 })] })],
    shipped: ['orders/1', 'orders/1', 'orders/1'],
    result: { code: 'over-budget', free: HOUR_OVER, alarm: false },
  },
  {
    when: 'fields without a row are each a new record',
    grants: [grant({ budgets: [budget('hour', 2)] })],
    shipped: ['', ''],
    ask: { record: '' },
    result: { code: 'over-budget', free: HOUR_OVER, alarm: false },
  },
  {
    when: 'two budgets are used up, then the later one says when',
    grants: [grant({ budgets: [budget('hour', 1), budget('day', 1)] })],
    shipped: ['orders/7'],
    result: { code: 'over-budget', free: DAY_OVER, alarm: false },
  },
  {
    when: 'two grants are used up, then the sooner one says when',
    grants: [grant({ budgets: [budget('hour', 1)] }), grant({ id: 'g2', budgets: [budget('day', 1)] })],
    shipped: ['orders/7'],
    result: { code: 'over-budget', free: HOUR_OVER, alarm: false },
  },
  {
    when: 'one grant is used up and one has none',
    grants: [grant({ budgets: [budget('hour', 1, { alarm: true })] }), grant({ id: 'g2' })],
    shipped: ['orders/7'],
    result: { grant: 'g2' },
  },
  {
    when: 'a budget with an alarm is used up',
    grants: [grant({ budgets: [budget('hour', 9), budget('day', 1, { alarm: true })] })],
    shipped: ['orders/7'],
    result: { code: 'over-budget', free: DAY_OVER, alarm: true },
  },
  {
    when: 'of two that are used up only the first has an alarm',
    grants: [grant({ budgets: [budget('hour', 1, { alarm: true }), budget('day', 1)] })],
    shipped: ['orders/7'],
    result: { code: 'over-budget', free: DAY_OVER, alarm: true },
  },
  {
    when: 'the budget with an alarm has room, and another has none',
    grants: [grant({ budgets: [budget('hour', 1), budget('day', 9, { alarm: true })] })],
    shipped: ['orders/7'],
    result: { code: 'over-budget', free: HOUR_OVER, alarm: false },
  },
  {
    when: 'a used up budget with an alarm is for other hours',
    grants: [grant({ hours: office, budgets: [budget('hour', 1, { alarm: true })] })],
    shipped: ['orders/7'],
    wall: SUNDAY,
    result: refused('outside-hours'),
  },
  {
    when: 'many allow, then the first by name is said',
    grants: [grant({ id: 'g3' }), grant({ id: 'g2' }), grant({ id: 'g4' })],
    result: { grant: 'g2' },
  },
]

t.test('When a request meets grants, then the table says what is decided', async t => {
  for (const { when, grants, ask: change, shipped, wall = WEDNESDAY, result } of EXAMPLES) {
    for (const one of grants) checkGrant(one)
    const state = { grants, usage: used(grants, shipped) }
    t.same(decide({ ...ask, ...change }, state, { wall, budget: 0 }), result, `when ${when}`)
  }
})

t.test(
  'When somebody asks why, then each grant of the agent says the first thing that does not fit',
  async t => {
    const grants = [
      grant({ id: 'stranger', agent: 'till-2' }),
      grant({ id: 'key', key: 'customers' }),
      grant({ id: 'field', fields: ['card.number'] }),
      grant({ id: 'purpose', purposes: ['charge'] }),
      grant({ id: 'reveal', reveal: ['forward'] }),
      grant({ id: 'hours', hours: { ...office, days: [7] } }),
      grant({ id: 'budget', budgets: [budget('day', 1)] }),
      grant({ id: 'allows' }),
    ]
    const state = { grants, usage: used(grants, ['orders/7']) }
    const { decision, rules } = explain(ask, state, clock)
    t.same(decision, { grant: 'allows' })
    t.same(
      rules,
      grants.slice(1).map(({ id }) => ({ grant: id, outcome: id as Outcome })),
    )
    t.same(explain({ ...ask, role: 'auditor' }, state, clock).decision, refused('wrong-role'))
  },
)

t.test('When a grant makes no sense, then it is refused and the message says why', async t => {
  const bad: [change: Record<string, unknown>, message: RegExp, code?: string][] = [
    [{ id: 'Till 1' }, /not a grant/],
    [{ extra: 1 }, /not a grant/],
    [{ fields: [] }, /at least one of its fields/],
    [{ purposes: [] }, /at least one of its purposes/],
    [{ reveal: [] }, /at least one of its reveal/],
    [{ reveal: ['full', 'full'] }, /differ/],
    [{ reveal: ['all'] }, /not a grant/],
    [{ fields: ['address*'] }, /'address\*' is no pattern/],
    [{ fields: ['*.ship'] }, /no pattern/],
    [{ fields: ['.*'] }, /no pattern/],
    [{ fields: [''] }, /no pattern/],
    [{ fields: ['Address'] }, /no pattern/],
    [{ fields: ['card.cvv'] }, /never be stored/, 'forbidden-field'],
    [{ fields: ['card.pin.*'] }, /never be stored/, 'forbidden-field'],
    [{ fields: Array.from({ length: 65 }, (_, i) => `f${i}`) }, /not a grant/],
    [{ budgets: [budget('day', null)] }, /per day has no limit/],
    [{ budgets: [budget('hour', 0)] }, /per hour is zero/],
    [{ budgets: [budget('day', 100_001)] }, /at most 100000 records/],
    [{ budgets: [budget('day', null, { operations: 1_000_001 })] }, /at most 1000000 operations/],
    [{ budgets: [budget('week' as 'day', 1)] }, /not a grant/],
    [{ hours: { ...office, days: [] } }, /days/],
    [{ hours: { ...office, days: [0] } }, /days/],
    [{ hours: { ...office, days: [1, 1] } }, /days/],
    [{ hours: { ...office, from: '8:00' } }, /'8:00' is no time/],
    [{ hours: { ...office, to: '24:01' } }, /'24:01' is no time/],
    [{ hours: { ...office, from: '24:00' } }, /'24:00' is no time/],
    [{ hours: { ...office, to: '08:00' } }, /same minute/],
    [{ hours: { ...office, zone: 'Mars/Olympus' } }, /'Mars\/Olympus' is no time zone/],
    [{ hours: { ...office, zone: '+01:00' } }, /no time zone/],
  ]
  for (const [change, message, code = 'malformed-request'] of bad)
    t.throws(() => checkGrant({ ...base, ...change }), { code, message }, JSON.stringify(change).slice(0, 60))
  t.doesNotThrow(() => checkGrant({ ...base, fields: ['*', 'card.*'], hours: { ...office, to: '24:00' } }))
})

t.test('When anything at all is given as a grant, then it is one or it is refused with a code', async t => {
  const members = Object.keys(base) as (keyof Grant)[]
  const mutated = fc
    .tuple(fc.constantFrom(...members), fc.anything({ maxDepth: 4 }))
    .map(([member, value]) => ({ ...base, [member]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.anything({ maxDepth: 4 }), mutated), value => {
      try {
        checkGrant(value)
        t.ok(Grant(value))
      } catch (error) {
        t.match(error, { code: /^(malformed-request|forbidden-field)$/ })
      }
    }),
    { numRuns: 2000 },
  )
})
