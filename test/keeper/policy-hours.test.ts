/** Office hours: over midnight, over summer time, in zones that are not whole hours away. */
import fc from 'fast-check'
import t from 'tap'
import type { Hours } from '../../appliance/keeper/policy/grant.ts'
import { isZone, localTime, withinHours } from '../../appliance/keeper/policy/hours.ts'

const at = (iso: string) => Date.parse(iso)
const hours = (change: Partial<Hours>): Hours => ({
  days: [1, 2, 3, 4, 5],
  from: '08:00',
  to: '18:00',
  zone: 'Europe/Berlin',
  ...change,
})

t.test('When a clock on the wall is read, then it shows the zone’s own day and minute', async t => {
  for (const [iso, zone, day, time] of [
    ['2026-11-18T10:00:59.999Z', 'Europe/Berlin', 3, '11:00'],
    ['2026-11-18T10:01:00Z', 'Europe/Berlin', 3, '11:01'],
    ['2026-07-15T22:30:00Z', 'Europe/Berlin', 4, '00:30'],
    ['2026-01-01T00:00:00Z', 'America/New_York', 3, '19:00'],
    ['2026-01-04T23:59:00Z', 'UTC', 7, '23:59'],
    ['2026-01-04T18:15:00Z', 'Asia/Kathmandu', 1, '00:00'],
    ['2026-01-04T10:00:00Z', 'Pacific/Kiritimati', 1, '00:00'],
    ['1970-01-01T00:00:00Z', 'UTC', 4, '00:00'],
  ] as const) {
    const [h, m] = time.split(':').map(Number)
    t.same(localTime(zone, at(iso)), { day, minute: h! * 60 + m! }, `${iso} in ${zone}`)
  }
  t.equal(localTime('Mars/Olympus', 0), null)
  t.equal(localTime('UTC', Number.NaN), null)
  t.equal(localTime('UTC', 9e15), null)
})

t.test(
  'When hours are within a day, then they begin with the first minute and end before the last',
  async t => {
    const week = hours({})
    for (const [iso, inside] of [
      ['2026-11-18T06:59:59.999Z', false],
      ['2026-11-18T07:00:00Z', true],
      ['2026-11-18T16:59:59.999Z', true],
      ['2026-11-18T17:00:00Z', false],
      ['2026-11-21T10:00:00Z', false],
      ['2026-07-15T06:00:00Z', true],
    ] as const)
      t.equal(withinHours(week, at(iso)), inside, iso)
  },
)

t.test('When hours go over midnight, then the night belongs to the day on which it began', async t => {
  const friday = hours({ days: [5], from: '22:00', to: '06:00' })
  for (const [iso, inside] of [
    ['2026-11-20T20:59:00Z', false],
    ['2026-11-20T21:00:00Z', true],
    ['2026-11-21T04:59:59Z', true],
    ['2026-11-21T05:00:00Z', false],
    ['2026-11-21T21:00:00Z', false],
    ['2026-11-20T04:00:00Z', false],
  ] as const)
    t.equal(withinHours(friday, at(iso)), inside, iso)
  const sunday = hours({ days: [7], from: '22:00', to: '06:00' })
  t.equal(withinHours(sunday, at('2026-11-23T04:00:00Z')), true, 'Monday morning after Sunday night')
  const whole = hours({ days: [3], from: '00:00', to: '24:00' })
  t.same(
    ['2026-11-17T22:59:59Z', '2026-11-17T23:00:00Z', '2026-11-18T22:59:59Z', '2026-11-18T23:00:00Z'].map(
      iso => withinHours(whole, at(iso)),
    ),
    [false, true, true, false],
    'a whole day',
  )
})

t.test('When clocks change, then hours follow the clock on the wall', async t => {
  // Germany, 2026: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October; both are Sundays.
  const night = hours({ days: [7], from: '02:00', to: '03:00' })
  t.equal(withinHours(night, at('2026-03-29T00:59:59Z')), false)
  t.equal(withinHours(night, at('2026-03-29T01:00:00Z')), false, 'the hour does not exist')
  t.equal(withinHours(night, at('2026-03-29T01:30:00Z')), false)
  t.equal(withinHours(night, at('2026-10-25T00:00:00Z')), true)
  t.equal(withinHours(night, at('2026-10-25T00:59:59Z')), true)
  t.equal(withinHours(night, at('2026-10-25T01:30:00Z')), true, 'the hour happens twice')
  t.equal(withinHours(night, at('2026-10-25T02:00:00Z')), false)
  // The same hours of the clock are an hour apart in universal time.
  t.equal(withinHours(hours({}), at('2026-03-27T07:00:00Z')), true)
  t.equal(withinHours(hours({}), at('2026-03-27T06:30:00Z')), false)
  t.equal(withinHours(hours({}), at('2026-03-30T06:30:00Z')), true)
})

t.test('When a zone is not known, then it is none, and its hours are never', async t => {
  for (const zone of ['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires']) t.equal(isZone(zone), true)
  for (const zone of ['', 'Berlin', '+01:00', '-0100', '12', 'Europe/Berlin\0', 'x'.repeat(64)])
    t.equal(isZone(zone), false, JSON.stringify(zone))
  t.equal(withinHours(hours({ zone: 'Mars/Olympus' }), at('2026-11-18T10:00:00Z')), false)
  fc.assert(
    fc.property(fc.string({ maxLength: 64 }), zone => t.equal(isZone(zone), localTime(zone, 0) !== null)),
  )
})

t.test('When many zones are asked in turn, then each answer is its own', async t => {
  const zones = Intl.supportedValuesOf('timeZone').filter((_, i) => i % 10 === 0)
  t.ok(zones.length > 30)
  for (const iso of ['2026-03-29T01:30:00Z', '2026-11-18T10:00:00Z']) {
    for (const zone of zones) {
      // Another way to the same: the whole local date as text.
      const local = new Date(at(iso)).toLocaleString('sv-SE', { timeZone: zone })
      const asUtc = new Date(`${local.replace(' ', 'T')}Z`)
      t.same(
        localTime(zone, at(iso)),
        { day: asUtc.getUTCDay() || 7, minute: asUtc.getUTCHours() * 60 + asUtc.getUTCMinutes() },
        `${iso} ${zone}`,
      )
    }
  }
})
