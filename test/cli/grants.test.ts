/** What is typed about grants: budgets, hours, decoys, and the words of an explanation. */
import fc from 'fast-check'
import t from 'tap'
import { checkGrant } from '../../appliance/keeper/policy/grant.ts'
import { UsageError } from '../../host-agent/cli/command.ts'
import { decoyCard, isLuhn } from '../../host-agent/cli/decoy.ts'
import { type Budget, formatBudget, MAX_LIMIT, parseBudget } from '../../host-agent/cli/grants/budget.ts'
import { explained } from '../../host-agent/cli/grants/explain.ts'
import { formatHours, type Hours, parseHours } from '../../host-agent/cli/grants/hours.ts'
import { thumbprint } from '../../host-agent/cli/jwk.ts'
import { bytes, duration } from '../../host-agent/cli/units.ts'
import { whenLocal } from '../../host-agent/client/errors.ts'
import { WINDOWS } from '../../protocol/api/routes.ts'
import type { GrantInfo } from '../../protocol/api/schemas.ts'

const GRANT: GrantInfo = {
  id: 'g1',
  agent: 'till',
  key: 'orders',
  fields: ['address.*'],
  purposes: ['ship'],
  reveal: ['full'],
  budgets: [],
  hours: null,
  since: 1,
}

/** Random text, and text that is nearly right. */
const typed = (...good: string[]) =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.tuple(fc.constantFrom(...good), fc.nat(60), fc.string({ maxLength: 3 })).map(([text, at, more]) => {
      const cut = at % (text.length + 1)
      return text.slice(0, cut) + more + text.slice(cut + 1)
    }),
  )

/** What a parser makes of text: a value, or `null` for a usage error with a hint or a clear message. */
function attempt<T>(parse: (text: string) => T, text: string): T | null {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof UsageError) || error.message.length > 300) throw error
    return null
  }
}

/** The device's own rules, which the schema cannot say. */
const isGranted = (part: Partial<GrantInfo>) => {
  checkGrant({ ...GRANT, ...part })
  return true
}

t.test('When a budget is written as it is typed, then it is the same again, and the device takes it', t => {
  const limit = fc.integer({ min: 1, max: 100_000 })
  const budget: fc.Arbitrary<Budget> = fc
    .record({ per: fc.constantFrom(...WINDOWS), limit, isRecords: fc.boolean(), alarm: fc.boolean() })
    .map(({ per, limit, isRecords, alarm }) => ({
      per,
      records: isRecords ? limit : null,
      operations: isRecords ? null : limit,
      alarm,
    }))
  fc.assert(
    fc.property(budget, budget => {
      t.strictSame(parseBudget(formatBudget(budget)), budget)
      return isGranted({ budgets: [budget] })
    }),
  )
  t.strictSame(parseBudget('day=200'), { per: 'day', records: 200, operations: null, alarm: false })
  t.strictSame(parseBudget('hour=40records!'), { per: 'hour', records: 40, operations: null, alarm: true })
  t.strictSame(parseBudget('minute=10ops'), { per: 'minute', records: null, operations: 10, alarm: false })
  t.equal(formatBudget({ per: 'day', records: 5, operations: 9, alarm: true }), 'day=5records! day=9ops!')
  t.end()
})

t.test('When a budget is typed wrongly, then the message says what would be right', t => {
  const cases: [text: string, message: RegExp, hint?: RegExp][] = [
    ['', /^ is not a budget$/, /day=200, hour=40records! or minute=10ops/],
    ['200', /200 is not a budget/, /as in day=200/],
    ['day', /day is not a budget/],
    ['day=', /is not a budget/],
    ['day=-1', /is not a budget/],
    ['day=1.5', /is not a budget/],
    ['day=5files', /is not a budget/],
    ['day=5!!', /is not a budget/],
    ['Day=5', /is not a budget/],
    ['week=5', /there is no budget per week/, /minute, hour, day, month/],
    ['day=0', /nothing per day would refuse everything/, /remove the grant/],
    [`day=${MAX_LIMIT + 1}`, /at most 1000000 per day/],
    [`day=${'9'.repeat(400)}`, /is not a budget/],
  ]
  for (const [text, message, hint] of cases)
    t.throws(() => parseBudget(text), { message, ...(hint ? { hint } : {}) }, text.slice(0, 20))
  fc.assert(
    fc.property(typed('day=200', 'hour=40records!', 'minute=10ops'), text => {
      const budget = attempt(parseBudget, text)
      if (budget) t.strictSame(parseBudget(formatBudget(budget)), budget)
    }),
  )
  t.end()
})

t.test(
  'When hours are written as they are typed, then they are the same again, and the device takes them',
  t => {
    const minute = fc.integer({ min: 0, max: 1439 })
    const clock = (at: number) =>
      `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`
    const hours: fc.Arbitrary<Hours> = fc
      .record({
        days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        from: minute,
        to: fc.integer({ min: 0, max: 1440 }),
        zone: fc.constantFrom('Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'),
      })
      .filter(({ from, to }) => from !== to)
      .map(({ days, from, to, zone }) => ({ days: days.sort(), from: clock(from), to: clock(to), zone }))
    fc.assert(
      fc.property(hours, hours => {
        t.strictSame(parseHours(formatHours(hours)), hours)
        return isGranted({ hours })
      }),
    )
    const days = (text: string) => parseHours(`${text} 08:00-18:00 Europe/Berlin`).days
    t.strictSame(days('mon-fri'), [1, 2, 3, 4, 5])
    t.strictSame(days('Mon,WED,mon'), [1, 3])
    t.strictSame(days('sat-mon'), [1, 6, 7])
    t.strictSame(days('mon-wed,fri'), [1, 2, 3, 5])
    t.strictSame(days('sun-sun'), [7])
    t.strictSame(days('mon-sun'), [1, 2, 3, 4, 5, 6, 7])
    t.match(parseHours('  fri   22:00-04:00  UTC '), { days: [5], from: '22:00', to: '04:00', zone: 'UTC' })
    t.equal(
      formatHours({ days: [7, 1, 2, 5], from: '00:00', to: '24:00', zone: 'UTC' }),
      'mon-tue,fri,sun 00:00-24:00 UTC',
    )
    t.end()
  },
)

t.test('When hours are typed wrongly, then the message says what would be right', t => {
  const rest = '08:00-18:00 Europe/Berlin'
  const cases: [text: string, message: RegExp, hint?: RegExp][] = [
    ['', /are days, times and a time zone/, /'mon-fri 08:00-18:00 Europe\/Berlin'/],
    ['mon-fri 08:00-18:00', /are days, times and a time zone/],
    [`mon-fri ${rest} now`, /are days, times and a time zone/],
    [`x${' '.repeat(300)}y z`, /are days, times and a time zone/],
    [`mo-fr ${rest}`, /mo-fr is not a day/, /mon, tue, wed/],
    [`mon- ${rest}`, /mon- is not a day/],
    [`mon-tue-wed ${rest}`, /is not a day/],
    [`mon,,tue ${rest}`, /is not a day/],
    ['mon 8:00-18:00 UTC', /8:00-18:00 is not a time of day/, /08:00-18:00/],
    ['mon 08:00-25:00 UTC', /is not a time of day/],
    ['mon 24:00-08:00 UTC', /is not a time of day/],
    ['mon 08:00 UTC', /is not a time of day/],
    ['mon 08:00-08:00 UTC', /same minute/, /00:00-24:00/],
    ['mon 08:00-18:00 Berlin', /no time zone Berlin/, /IANA name such as Europe\/Berlin; here it is /],
    ['mon 08:00-18:00 +01:00', /no time zone/],
  ]
  for (const [text, message, hint] of cases)
    t.throws(() => parseHours(text), { message, ...(hint ? { hint } : {}) }, text.slice(0, 40))
  fc.assert(
    fc.property(typed('mon-fri 08:00-18:00 Europe/Berlin', 'sat,sun 22:00-24:00 UTC'), text => {
      const hours = attempt(parseHours, text)
      return hours === null || isGranted({ hours })
    }),
  )
  t.end()
})

t.test('When a request is explained, then each grant says the first thing that does not fit', t => {
  const asked = {
    agent: 'till',
    key: 'orders',
    field: 'card.number',
    purpose: 'ship',
    reveal: 'full',
  } as const
  const now = Date.now()
  const free = Math.floor(now / 1000) + 60
  const budgets = [parseBudget('day=200!')]
  const hours = parseHours('mon-fri 08:00-18:00 Europe/Berlin')
  const grants = ['key', 'field', 'purpose', 'reveal', 'hours', 'budget', 'allows'].map(id => ({
    ...GRANT,
    id,
    budgets,
    hours,
  }))
  const rules = [...grants.map(({ id }) => ({ grant: id, outcome: id })), { grant: 'gone', outcome: 'field' }]
  const refused = explained(asked, { allowed: false, code: 'over-budget', free, rules }, grants, now)
  t.strictSame(refused, [
    `refused: till, card.number under orders, for ship, full: the budget for this purpose is used up; there is room again ${whenLocal(free, now)}`,
    '  key      no: is for another key: orders',
    '  field    no: is for other fields: address.*',
    '  purpose  no: is for other purposes: ship',
    '  reveal   no: gives the value in other ways: full',
    '  hours    no: is for other hours: mon-fri 08:00-18:00 Europe/Berlin',
    '  budget   no: is used up: day=200records!',
    '  allows   allows it',
    '  gone     no: is for other fields',
  ])
  const allowed = explained(asked, { allowed: true, grant: 'allows', rules: rules.slice(6) }, grants, now)
  t.match(allowed.join('\n'), /^allowed: till.*\n {2}allows {2}allows it, and decides\n/)
  t.strictSame(explained(asked, { allowed: false, code: 'not-granted', rules: [] }, [], now), [
    'refused: till, card.number under orders, for ship, full: no grant allows this',
    '  till has no grant at all',
  ])
  t.end()
})

t.test('When a decoy is made, then it looks like a card, and is none that a bank gives out', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 9, maxLength: 9 }), digits => {
      let at = 0
      const card = decoyCard(() => digits[at++]!)
      return /^400000\d{10}$/.test(card) && isLuhn(card) && at === 9
    }),
  )
  // Numbers of the payment networks' own documentation, and the same with one digit wrong.
  for (const card of ['4242424242424242', '378282246310005', '6011111111111117']) {
    t.ok(isLuhn(card))
    t.notOk(isLuhn(card.replace(/.$/, digit => String((Number(digit) + 1) % 10))))
  }
  t.notOk(isLuhn('4242 4242'))
  t.end()
})

t.test('When a key is compared by its thumbprint, then that is the one of the standard', t => {
  // RFC 8037 appendix A.3.
  const okp = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  t.equal(thumbprint({ use: 'enc', ...okp }), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  for (const jwk of [{}, { kty: 'oct', k: 'x' }, { kty: 'RSA', e: 'AQAB' }, { kty: 'toString' }])
    t.equal(thumbprint(jwk), null)
  t.end()
})

t.test('When quantities are told, then in two units at most', t => {
  t.strictSame([0, 999, 1000, 99_949, 99_950, 1_234_567, 3.2e10, 5e15].map(bytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '99.9 kB',
    '100 kB',
    '1.2 MB',
    '32.0 GB',
    '5000 TB',
  ])
  t.strictSame([0, 59.9, 60, 3661, 86_400, 200_000].map(duration), [
    '0 s',
    '59 s',
    '1 min',
    '1 h 1 min',
    '1 day 0 h',
    '2 days 7 h',
  ])
  t.end()
})
