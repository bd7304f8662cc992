/** Records of any text: refused in our words or joined without loss, and nothing that is sealed shows in what is readable. */
import fc from 'fast-check'
import t from 'tap'
import { READERS, type Reader } from '../../host-agent/shop/records/readers.ts'
import { join, split } from '../../host-agent/shop/records/record.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { CASES } from './record-cases.ts'

/** A check digit of ISO/IEC 7812-1 behind digits. */
const withCheck = (digits: string) => {
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}

const digits = (length: number) => fc.stringMatching(new RegExp(`^\\d{${length}}$`))

/** Anything, what looks like something, and what is taken: the last are most. */
const textsFor = (type: string) => {
  const taken = CASES.filter(([of]) => of === type).flatMap(([, value]) =>
    typeof value === 'string' ? [value] : Object.values(value),
  )
  const known: { [type: string]: fc.Arbitrary<string> } = {
    card: digits(15).map(rest => withCheck(`4${rest.slice(1)}`)),
    phone: fc
      .tuple(fc.constantFrom('+1 415', '+44 20', '+49', '+55 11', '0'), digits(7))
      .map(parts => parts.join(' ')),
    email: fc.emailAddress(),
  }
  return fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[+\d ()./#x-]{0,40}$/),
    fc.stringMatching(/^[A-Za-z]{0,4}[\dA-Za-z ]{0,34}$/),
    { arbitrary: fc.constantFrom(...taken), weight: 8 },
    { arbitrary: known[type] ?? fc.constantFrom(...taken), weight: 8 },
  )
}

t.test(
  'When anything is split, then it is refused in our words or it joins to what splits the same',
  async t => {
    for (const type of new Set(CASES.map(([type]) => type))) {
      const texts = textsFor(type)
      const records = CASES.flatMap(([of, value]) =>
        of === type && typeof value !== 'string' ? [value] : [],
      )
      const names = [...new Set(records.flatMap(Object.keys))]
      // What another record has in the same column is often taken.
      const columns = names.map(name => {
        const others = records.flatMap(record => (record[name] === undefined ? [] : [record[name]]))
        return [name, fc.oneof(texts, { arbitrary: fc.constantFrom(...others), weight: 12 })] as const
      })
      const changed = fc
        .tuple(fc.constantFrom(...records, {}), fc.record(Object.fromEntries(columns), { requiredKeys: [] }))
        .map(([record, changes]) => ({ ...record, ...changes }))
      const country = fc.constantFrom(undefined, 'US', 'GB', 'DE', 'JP', 'BR', 'NL', 'MX', 'FR', 'AR')
      let taken = 0
      fc.assert(
        fc.property(names.length === 0 ? texts : fc.oneof(texts, changed), country, (value, country) => {
          let parts: ReturnType<typeof split>
          try {
            parts = split(type, value, country === undefined ? {} : { country })
          } catch (error) {
            return error instanceof ClavigerError && ['bad-record', 'forbidden-field'].includes(error.code)
          }
          taken++
          const joined = join(type, parts)
          const again = split(type, joined)
          return JSON.stringify([again, join(type, again)]) === JSON.stringify([parts, joined])
        }),
        { numRuns: 500 },
      )
      t.ok(taken > 10, `${type}: ${taken} of 500 were taken`)
    }
  },
)

t.test(
  'When cards, accounts or addresses differ in what is sealed, then nothing readable differs',
  async t => {
    // Two digits before the end make up for what the ones before them change of the check digit.
    const sameEnd = (middle: string) => {
      for (let pair = 0; pair < 10; pair++) {
        const number = `4${middle}${pair}424`
        if (withCheck(number).endsWith('4242')) return withCheck(number)
      }
      throw new Error('unreachable')
    }
    fc.assert(
      fc.property(digits(10), digits(10), (a, b) => {
        const [one, other] = [a, b].map(middle => split('card', { number: sameEnd(middle), holder: middle }))
        t.same(one!.readable, { brand: one!.readable.brand, last4: '4242' })
        return (
          one!.readable.brand !== other!.readable.brand ||
          JSON.stringify(one!.readable) === JSON.stringify(other!.readable)
        )
      }),
    )
    const secret = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter(text => !text.startsWith('clv1.'))
    const inputs = ['name', 'organization', 'district', 'locality', 'region', 'sorting-code']
    const rest = fc.record(Object.fromEntries(inputs.map(name => [name, secret])), { requiredKeys: [] })
    fc.assert(
      fc.property(rest, value => {
        const parts = split('address', {
          ...value,
          street: 'Damrak 1',
          'postal-code': '1012LG',
          country: 'NL',
        })
        t.same(parts.readable, { 'street-number': '1', 'postal-code': '1012 LG', country: 'NL' })
        return Object.keys(parts.sealed).join() === 'rest'
      }),
    )
    fc.assert(
      fc.property(digits(7), subscriber => {
        const parts = split('phone', `020 7${subscriber}`, { country: 'GB' })
        t.same(parts.readable, { country: 'GB', 'area-code': '20' })
        return parts.sealed.number === `+44207${subscriber}`
      }),
    )
  },
)

t.test('When a street is anything, then its readable number is short and looks like one', async () => {
  const street = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.stringMatching(/^[\dA-Za-z .,#/-]{0,60}$/),
  )
  fc.assert(
    fc.property(street, fc.constantFrom('US', 'DE', 'JP', 'BR', 'MX', 'NL'), (text, country) => {
      if (!text.isWellFormed() || text === '') return true
      const { readable } = split('address', { street: text, country })
      return /^[\d][\dA-Z/-]{0,11}$/.test(readable['street-number'] ?? '1')
    }),
    { numRuns: 1000 },
  )
})

t.test('When a reader reads any text, then it never throws, and reads what it wrote the same', async t => {
  const written = CASES.flatMap(([, value]) => (typeof value === 'string' ? [value] : Object.values(value)))
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.stringMatching(/^[ \t\u00a0+\dA-Za-z()./,#%;*-]{0,40}$/),
    fc.constantFrom(...written),
    fc.tuple(fc.constantFrom(...written), fc.string({ maxLength: 3 })).map(parts => parts.join('')),
  )
  const country = fc.constantFrom(undefined, '', 'US', 'GB', 'DE', 'JP', 'BR', 'AR', 'XX', 'constructor')
  for (const [name, reader] of Object.entries(READERS) as [string, Reader][]) {
    let read = 0
    fc.assert(
      fc.property(text, country, (text, country) => {
        const reading = reader.read(text, { country })
        if ('fault' in reading) return text.length < 9 || !`${reading.fault} ${reading.hint}`.includes(text)
        read++
        const again = reader.read(reading.text, { country })
        const told = Object.keys(reading.tells).every(what => reader.tells.includes(what))
        return told && JSON.stringify(again) === JSON.stringify(reading)
      }),
      { numRuns: 500, examples: written.map(text => [text, undefined]) },
    )
    t.ok(read > 0, `${name}: ${read} of 500 were read`)
  }
})
