/** The button: what the kernel tells becomes key events, and key events become presses. */
import fc from 'fast-check'
import t from 'tap'
import {
  type Button,
  DEBOUNCE_MS,
  LONG_MS,
  type Press,
  passed,
  RELEASED,
  touched,
} from '../../appliance/keeper/panel/button.ts'
import {
  EVENT_BYTES,
  formatEvent,
  InputEvents,
  type KeyEvent,
} from '../../appliance/keeper/panel/input-event.ts'

const KEY_PROG1 = 148

t.test('When the kernel tells of a key, then it is read', async t => {
  const events = new InputEvents()
  const wall = 1_795_000_000_123
  t.same(events.push(formatEvent(KEY_PROG1, true, wall)), [
    { kind: 'key', code: KEY_PROG1, isDown: true, wall },
  ])
  // As the kernel of a Pi wrote it: up, then EV_SYN.
  const recorded = `${'0'.repeat(32)}010094000000000000${'0'.repeat(30)}${'0'.repeat(16)}`
  t.same(events.push(Buffer.from(recorded, 'hex')), [
    { kind: 'key', code: KEY_PROG1, isDown: false, wall: 0 },
  ])
})

t.test('When it tells of anything else, then that is passed over, but for events that were lost', async t => {
  const other = (type: number, code: number, value: number) => {
    const bytes = Buffer.from(formatEvent(code, true))
    bytes.writeUInt16LE(type, 16)
    bytes.writeInt32LE(value, 20)
    return new InputEvents().push(bytes)
  }
  t.same(other(0, 0, 0), [], 'the end of a report')
  t.same(other(1, KEY_PROG1, 2), [], 'a repetition')
  t.same(other(2, 0, 1), [], 'a mouse')
  t.same(other(0, 3, 0), [{ kind: 'dropped' }])
})

t.test('When bytes come in any pieces, then the events are the same', async t => {
  const pieces = fc.array(fc.nat(100), { maxLength: 20 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 10 * EVENT_BYTES }), pieces, (noise, lengths) => {
      const some = [noise, formatEvent(KEY_PROG1, true, 5), formatEvent(KEY_PROG1, false, 9)]
      const bytes = Buffer.concat(some)
      const whole = new InputEvents().push(bytes)
      const torn = new InputEvents()
      const found: KeyEvent[] = []
      let at = 0
      for (const length of [...lengths, bytes.length]) {
        found.push(...torn.push(bytes.subarray(at, at + length)))
        at += length
      }
      t.strictSame(found, whole)
      for (const event of found)
        if (event.kind === 'key' && !(event.code >= 0 && event.code <= 0xffff)) return false
      // Two events follow the noise, and what is torn by it is at most one of them.
      return noise.length % EVENT_BYTES !== 0 || found.length >= 2
    }),
  )
})

/** What a contact did: for how long it stayed as it was before each change, ms; it is open at first. */
function play(stays: readonly number[], lookEvery = 25): Press[] {
  const presses: Press[] = []
  let button: Button = RELEASED
  let now = 0
  let contact = false
  const take = (step: { button: Button; press: Press | null }) => {
    button = step.button
    if (step.press) presses.push(step.press)
  }
  for (const stay of stays) {
    const end = now + stay
    for (let at = now + lookEvery; at < end; at += lookEvery) take(passed(button, at))
    now = end
    contact = !contact
    take(touched(button, contact, now))
  }
  for (let at = now + lookEvery; at < now + 2 * LONG_MS; at += lookEvery) take(passed(button, at))
  take(passed(button, now + 3 * LONG_MS))
  return presses
}

t.test('When it is pressed, then it is short or long by how long it is held', async t => {
  t.same(play([100, 120]), ['short'])
  t.same(play([100, LONG_MS - 1]), ['short'])
  t.same(play([100, LONG_MS]), ['long'])
  t.same(play([100, 60_000]), ['long'], 'once, however long')
  t.same(play([100, 200, 300, 200]), ['short', 'short'])
  t.same(play([100, LONG_MS, 300, 200]), ['long', 'short'])
  t.same(play([100]), ['long'], 'while it is still held')
  t.same(play([100, 200], 100_000), ['short'], 'where nobody looked in between')
})

t.test('When the contact bounces, then that is one press', async t => {
  t.same(play([100, 3, 2, 5, 1, 120, 4, 3, 2, 1]), ['short'])
  t.same(play([100, 10]), [], 'a spark is none')
  t.same(play([100, 1500, 5, 1500]), ['long'], 'a gap too short to be one')
})

t.test('When it is long, then it is told within a look of the third second', async t => {
  let step = touched(RELEASED, true, 1000)
  let now = 1000
  while (step.press === null && now < 10_000) {
    now += 25
    step = passed(step.button, now)
  }
  t.equal(step.press, 'long')
  t.equal(now, 1000 + LONG_MS)
})

t.test('When anything at all is pressed, then there is one press for each time it was held', async t => {
  const stay = fc.integer({ min: DEBOUNCE_MS, max: 2 * LONG_MS })
  const presses = fc.array(fc.tuple(stay, stay), { maxLength: 6 })
  fc.assert(
    fc.property(presses, fc.integer({ min: 1, max: 5000 }), (presses, lookEvery) => {
      const expected = presses.map(([, held]) => (held >= LONG_MS ? 'long' : 'short'))
      t.strictSame(play([...presses.flat(), DEBOUNCE_MS].slice(0, presses.length * 2), lookEvery), expected)
    }),
  )
})

t.test('When time jumps about, then nothing breaks and a held button counts once', async () => {
  const input = fc.tuple(fc.constantFrom('down', 'up', 'look'), fc.integer({ min: -5000, max: 20_000 }))
  fc.assert(
    fc.property(fc.array(input), inputs => {
      let button: Button = RELEASED
      let longs = 0
      let downs = 0
      for (const [what, now] of inputs) {
        if (what === 'down' && !button.contact) downs += 1
        const step = what === 'look' ? passed(button, now) : touched(button, what === 'down', now)
        button = step.button
        if (step.press === 'long') longs += 1
      }
      return longs <= downs
    }),
  )
})
