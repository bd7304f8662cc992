/** Records in parts: what is sealed, what stays readable, and that nothing is lost between the two. docs/records.md. */
import fc from 'fast-check'
import t from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { readCountry } from '../../host-agent/shop/records/country.ts'
import { labelLines } from '../../host-agent/shop/records/label.ts'
import { join, split, stale } from '../../host-agent/shop/records/record.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'

type Case = [
  type: string,
  value: string | Record<string, string>,
  readable: Record<string, string>,
  sealed: Record<string, string>,
  country?: string,
]

const address = (rest: Record<string, string>) => ({ rest: JSON.stringify(rest) })

/** Numbers are those that schemes, banks and regulators publish for tests, or of public places. */
const CASES: Case[] = [
  [
    'card',
    { number: '4242 4242 4242 4242', expiry: '12/27', holder: 'Zoë Müller' },
    { brand: 'visa', last4: '4242', expiry: '2027-12' },
    { number: '4242424242424242', holder: 'Zoë Müller' },
  ],
  ['card', '5555-5555-5555-4444', { brand: 'mastercard', last4: '4444' }, { number: '5555555555554444' }],
  [
    'card',
    { number: '3782 822463 10005', expiry: '127' },
    { brand: 'american-express', last4: '0005', expiry: '2027-01' },
    { number: '378282246310005' },
  ],
  [
    'card',
    '３５６６ ００２０ ２０３６ ０５０５',
    { brand: 'jcb', last4: '0505' },
    { number: '3566002020360505' },
  ],
  ['card', '6062 8288 8866 6688', { brand: 'hipercard', last4: '6688' }, { number: '6062828888666688' }],
  ['card', '6011 1111 1111 1117', { brand: 'discover', last4: '1117' }, { number: '6011111111111117' }],
  ['card', '6240 0086 3140 1148', { brand: 'unionpay', last4: '1148' }, { number: '6240008631401148' }],
  ['card', '1354 1234 5678 911', { brand: 'unknown', last4: '8911' }, { number: '135412345678911' }],
  [
    'iban',
    { number: 'DE89 3704 0044 0532 0130 00', holder: 'Max Mustermann' },
    { country: 'DE', bank: '37040044', last4: '3000' },
    { number: 'DE89370400440532013000', holder: 'Max Mustermann' },
  ],
  [
    'iban',
    'gb29 nwbk 6016 1331 9268 19',
    { country: 'GB', bank: 'NWBK601613', last4: '6819' },
    { number: 'GB29NWBK60161331926819' },
  ],
  [
    'iban',
    'IBAN NL91 ABNA 0417 1643 00',
    { country: 'NL', bank: 'ABNA', last4: '4300' },
    { number: 'NL91ABNA0417164300' },
  ],
  [
    'iban',
    'BR18 0036 0305 0000 1000 9795 493C 1',
    { country: 'BR', bank: '0036030500001', last4: '93C1' },
    { number: 'BR1800360305000010009795493C1' },
  ],
  // seven digits of account: the last four would be most of it
  ['iban', 'NO93 8601 1117 947', { country: 'NO', bank: '8601' }, { number: 'NO9386011117947' }],
  [
    'us-account',
    { bank: '021-000-021', number: '0012 3456-7890' },
    { bank: '021000021', last4: '7890' },
    { number: '001234567890' },
  ],
  ['us-account', { bank: '011000015', number: '123456' }, { bank: '011000015' }, { number: '123456' }],
  ['clabe', '032 180 00011835971 9', { bank: '032', last4: '9719' }, { number: '032180000118359719' }],
  [
    'account',
    { bank: '20-00-00', number: '55779911' },
    { bank: '200000', last4: '9911' },
    { number: '55779911' },
  ],
  [
    'account',
    { bank: 'SBIN0000691', number: '1000 0000 0123' },
    { bank: 'SBIN0000691', last4: '0123' },
    { number: '100000000123' },
  ],
  [
    'account',
    { bank: '0800', number: '19-2000145399' },
    { bank: '0800', last4: '5399' },
    { number: '19-2000145399' },
  ],
  [
    'address',
    {
      street: '1600 Amphitheatre Pkwy',
      locality: 'Mountain View',
      region: 'CA',
      'postal-code': '94043',
      country: 'us',
    },
    { 'street-number': '1600', 'postal-code': '94043', country: 'US' },
    address({ street: '1600 Amphitheatre Pkwy', locality: 'Mountain View', region: 'CA' }),
  ],
  [
    'address',
    { name: 'PM', street: '10 Downing Street', locality: 'London', 'postal-code': 'sw1a2aa', country: 'UK' },
    { 'street-number': '10', 'postal-code': 'SW1A 2AA', country: 'GB' },
    address({ name: 'PM', street: '10 Downing Street', locality: 'London' }),
  ],
  [
    'address',
    {
      street: 'Straße des 17. Juni 135',
      locality: 'Berlin',
      'postal-code': 'D-10623',
      country: 'Deutschland',
    },
    { 'street-number': '135', 'postal-code': '10623', country: 'DE' },
    address({ street: 'Straße des 17. Juni 135', locality: 'Berlin' }),
  ],
  [
    'address',
    {
      street: '永田町１丁目７番１号',
      locality: '千代田区',
      region: '東京都',
      'postal-code': '〒１００−００１４',
      country: '日本',
    },
    { 'street-number': '1-7-1', 'postal-code': '100-0014', country: 'JP' },
    address({ street: '永田町１丁目７番１号', locality: '千代田区', region: '東京都' }),
  ],
  [
    'address',
    {
      street: 'Av. Paulista, 1578',
      district: 'Bela Vista',
      locality: 'São Paulo',
      region: 'SP',
      'postal-code': '01310200',
    },
    { 'street-number': '1578', 'postal-code': '01310-200', country: 'BR' },
    address({ street: 'Av. Paulista, 1578', district: 'Bela Vista', locality: 'São Paulo', region: 'SP' }),
    'Brazil',
  ],
  [
    'address',
    {
      'street-number': '1-3',
      street: 'Damrak',
      locality: 'Amsterdam',
      'postal-code': '1012lg',
      country: 'Nederland',
    },
    { 'street-number': '1-3', 'postal-code': '1012 LG', country: 'NL' },
    address({ 'street-number': '1-3', street: 'Damrak', locality: 'Amsterdam' }),
  ],
  [
    'address',
    { street: 'Calle 5 de Mayo No. 20 Int. 3', locality: 'CDMX', 'postal-code': '06000', country: 'MX' },
    { 'street-number': '20', 'postal-code': '06000', country: 'MX' },
    address({ street: 'Calle 5 de Mayo No. 20 Int. 3', locality: 'CDMX' }),
  ],
  [
    'address',
    { street: '5 Avenue Anatole France', locality: 'Paris', 'postal-code': '75007', country: 'France' },
    { 'street-number': '5', 'postal-code': '75007', country: 'FR' },
    address({ street: '5 Avenue Anatole France', locality: 'Paris' }),
  ],
  [
    'address',
    { street: 'Carrera 7 # 8-68', locality: 'Bogotá', 'postal-code': '110 311', country: 'CO' },
    { 'street-number': '8-68', 'postal-code': '110 311', country: 'CO' },
    address({ street: 'Carrera 7 # 8-68', locality: 'Bogotá' }),
  ],
  [
    'address',
    { street: 'The Old Rectory', locality: 'Hong Kong', country: 'HK' },
    { country: 'HK' },
    address({ street: 'The Old Rectory', locality: 'Hong Kong' }),
  ],
  ['phone', '(415) 555-2671', { country: 'US', 'area-code': '415' }, { number: '+14155552671' }, 'US'],
  [
    'phone',
    '+1 415 555 2671 ext. 12',
    { country: 'US', 'area-code': '415' },
    { number: '+14155552671;ext=12' },
  ],
  ['phone', '020 7946 0018', { country: 'GB', 'area-code': '20' }, { number: '+442079460018' }, 'GB'],
  ['phone', '0049 (0)30 901820', { country: 'DE', 'area-code': '30' }, { number: '+4930901820' }, 'NL'],
  ['phone', '０３−３２２４−５０００', { country: 'JP', 'area-code': '3' }, { number: '+81332245000' }, 'JP'],
  ['phone', '(11) 98765-4321', { country: 'BR', 'area-code': '11' }, { number: '+5511987654321' }, 'BR'],
  ['phone', '+52 1 55 5093 3000', { country: 'MX', 'area-code': '55' }, { number: '+525550933000' }],
  // mobiles and countries without areas tell no area, nor do small areas
  ['phone', '06 12345678', { country: 'NL' }, { number: '+31612345678' }, 'NL'],
  ['phone', '+65 6123 4567', { country: 'SG' }, { number: '+6561234567' }],
  ['phone', '+49 4725 8080', { country: 'DE' }, { number: '+4947258080' }],
  // possible, assigned to nobody
  ['phone', '+1 555 555 5555', {}, { number: '+15555555555' }],
  ['email', ' Mary.Jones@Example.ORG ', { address: 'Mary.Jones@example.org' }, {}],
  ['email', 'пушкин@Пример.рф', { address: 'пушкин@пример.рф' }, {}],
  ['text', '  as it came\r\n', {}, { text: '  as it came\r\n' }],
]

for (const [type, value, readable, sealed, country] of CASES) {
  t.test(`When ${JSON.stringify(value)} is split, then only what its type says is readable`, async t => {
    const options = country === undefined ? {} : { country }
    const parts = split(type, value, options)
    t.same(parts, { sealed, readable })
    const joined = join(type, parts)
    t.same(split(type, joined), parts, 'what is joined splits the same, and needs no country from outside')
    t.same(stale(type, parts), [])
  })
}

/** What must be refused: type, value, code, and a word of the message. */
const REFUSED: [string, unknown, string, RegExp, string?][] = [
  ['card', { number: '4242424242424242', cvv: '123' }, 'forbidden-field', /card\.cvv must never be stored/],
  ['card', { number: '4242424242424242', cc_cvc2: '123' }, 'forbidden-field', /must never be stored/],
  [
    'card',
    { number: '4242424242424242', cardVerificationCode: '1' },
    'forbidden-field',
    /must never be stored/,
  ],
  ['card', { number: '4242424242424242', 'Security Code': '1' }, 'forbidden-field', /must never be stored/],
  ['card', { number: '4242424242424242', pin: '1234' }, 'forbidden-field', /must never be stored/],
  ['card', '%B4242424242424242^MULLER/Z^27121010000000000000?', 'bad-record', /track of a card/],
  ['card', ';4242424242424242=27121010000000000000?', 'bad-record', /track of a card/],
  ['card', '4242424242424241', 'bad-record', /check digit/],
  ['card', '424242424242424', 'bad-record', /check digit|length/],
  ['card', '4222222222222', 'bad-record', /Visa has no card numbers of this length/],
  ['card', '************4242', 'bad-record', /masked/],
  ['card', '4242 42XX XXXX 4242', 'bad-record', /masked/],
  ['card', '4,24242E+15', 'bad-record', /spreadsheet/],
  ['card', '', 'bad-record', /card\.number: missing/],
  ['card', { number: 4242424242424242 }, 'bad-record', /not a text/],
  ['card', { number: '4242424242424242', expiry: '13/27' }, 'bad-record', /card\.expiry: not a month/],
  ['card', { number: '4242424242424242', expiry: '2712' }, 'bad-record', /not a month/],
  ['card', { numbr: '4242424242424242' }, 'bad-record', /no such input: "numbr"/],
  ['iban', 'DE89370400440532013001', 'bad-record', /check digits/],
  ['iban', 'DE8937040044053201300', 'bad-record', /another length/],
  ['iban', 'US89370400440532013000', 'bad-record', /no country with IBANs/],
  ['us-account', { bank: '021000022', number: '12345678' }, 'bad-record', /check digit of the routing/],
  ['us-account', { bank: '21000021', number: '12345678' }, 'bad-record', /not a routing number/],
  ['us-account', '12345678', 'bad-record', /one text is not enough/],
  ['clabe', '032180000118359718', 'bad-record', /check digit of the CLABE/],
  ['phone', '415 555 2671', 'bad-record', /not a phone number/],
  ['phone', '1-800-FLOWERS', 'bad-record', /not a phone number/, 'US'],
  ['phone', '415 555 2671', 'bad-record', /no such country/, 'Atlantis'],
  [
    'address',
    { street: '1 Main St', country: 'XX' },
    'bad-record',
    /address\.country: there is no such country/,
  ],
  ['address', { street: '1 Main St' }, 'bad-record', /address\.country: missing/],
  [
    'address',
    { street: '1 Main St', 'postal-code': '2134', country: 'US' },
    'bad-record',
    /postal code of US/,
  ],
  ['address', '1 Main St, Boston MA 02134', 'bad-record', /one text is not enough/],
  ['email', 'Mary <mary@example.org>', 'bad-record', /not an e-mail address/],
  ['email', 'mary@localhost', 'bad-record', /not an e-mail address/],
  ['text', 'half \ud83d', 'bad-record', /surrogate/],
  ['text', 'x'.repeat(65_537), 'bad-record', /too long/],
  ['text', null, 'bad-record', /not a record/],
  ['text', ['x'], 'bad-record', /not a record/],
  ['passport', 'x', 'bad-record-type', /no such type/],
  ['constructor', 'x', 'bad-record-type', /no such type/],
]

for (const [type, value, code, message, country] of REFUSED) {
  t.test(
    `When ${type} is ${JSON.stringify(value)?.slice(0, 60)}, then it is refused: ${message}`,
    async t => {
      const options = country === undefined ? {} : { country }
      const attempt = () => split(type, value as string, options)
      t.throws(attempt, { code, message })
      try {
        attempt()
      } catch (error) {
        const { hint, message } = error as ClavigerError
        t.match(hint, /^\S/)
        const texts = typeof value === 'object' && value !== null ? Object.values(value) : [value]
        for (const text of texts.filter(text => String(text).length > 8))
          t.notOk(`${message} ${hint}`.includes(String(text)), 'the text itself is in no message')
      }
    },
  )
}

t.test('When a column for verification codes is there and empty, then the card is taken', async t => {
  t.ok(split('card', { number: '4242424242424242', cvv: '', cvc: null }))
})

t.test('When what was sealed comes again, then it is not sealed twice', async t => {
  const { publicKey: bytes } = generatePrivateKey('x')
  const seal = sealer(
    formatPublicKey({ suite: 'x', namespace: 'default', key: 'orders.a', version: 1, bytes }),
  )
  const token = seal({ field: 'text.text', record: 'notes/1' }, 'hello')
  t.throws(() => split('text', token), { code: 'bad-record', message: /sealed already/ })
})

t.test('When parts are not those of the type, then they are not joined', async t => {
  const { sealed, readable } = split('address', { street: '1 Main St', country: 'US' })
  const attempts: Parameters<typeof join>[1][] = [
    { sealed: { ...sealed, number: '1' }, readable },
    { sealed, readable: { ...readable, constructor: '1' } as Record<string, string> },
    ...['', '{', '[]', 'null', '{"street":1}', '"x"'].map(rest => ({ sealed: { rest }, readable })),
  ]
  for (const parts of attempts)
    t.throws(() => join('address', parts), { code: 'bad-record' }, JSON.stringify(parts))
  const foreign = join('address', { sealed: { rest: '{"__proto__":"x","constructor":"y"}' }, readable })
  t.same(foreign, { country: 'US' }, 'texts of inputs that there are not are left where they are')
})

t.test('When a readable part was changed, then it is named', async t => {
  const parts = split('card', '4242424242424242')
  t.same(stale('card', { ...parts, readable: { ...parts.readable, last4: '1111' } }), ['last4'])
  t.same(stale('card', { ...parts, readable: {} }).sort(), ['brand', 'last4'])
})

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

t.test('When a country is named in one of the languages that forms have, then it is known', async t => {
  const names = ['Germany', 'Deutschland', 'Allemagne', 'Alemania', 'ドイツ', 'de', 'GERMANY', 'Duitsland']
  for (const name of names) t.same(readCountry(name), { text: 'DE', tells: {} }, name)
  for (const name of ['U.S.A.', 'USA', 'United States', 'Vereinigte Staaten', 'États-Unis', 'EE. UU.'])
    t.same(readCountry(name), { text: 'US', tells: {} }, name)
  for (const name of ['Österreich', 'osterreich']) t.same(readCountry(name), { text: 'AT', tells: {} }, name)
  for (const name of [
    'EU',
    'ZZ',
    'UN',
    'QO',
    'XA',
    'AN',
    'SU',
    '276',
    '000',
    'Atlantis',
    'constructor',
    '__proto__',
    ' ',
  ])
    t.ok('fault' in readCountry(name), name)
})

t.test('When an address is printed, then what a parcel needs is on the label, in every country', async t => {
  const needed = { name: 'Ω', organization: 'Ψ', street: 'Χ', district: 'Φ', locality: 'Υ' }
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const codes = letters.flatMap(a => letters.map(b => a + b)).filter(code => !('fault' in readCountry(code)))
  t.ok(codes.length > 245 && codes.length < 255, `${codes.length} countries`)
  for (const country of codes) {
    const lines = labelLines({ ...needed, region: 'D', 'postal-code': '12345', 'sorting-code': 'E', country })
    for (const text of Object.values(needed))
      t.equal(lines.join(' ').split(text).length, 2, `${country}: ${text} once in ${lines.join(' | ')}`)
  }
})

t.test('When addresses are printed, then as their countries write them', async t => {
  const label = (value: Record<string, string>, from?: string) =>
    labelLines(join('address', split('address', value)), from === undefined ? {} : { from })
  const jo = { name: 'Jo Doe' }
  t.same(
    label(
      {
        ...jo,
        street: '1600 Amphitheatre Pkwy',
        locality: 'Mountain View',
        region: 'CA',
        'postal-code': '94043',
        country: 'US',
      },
      'US',
    ),
    ['Jo Doe', '1600 Amphitheatre Pkwy', 'Mountain View, CA 94043'],
  )
  t.same(
    label(
      {
        ...jo,
        'street-number': '1',
        street: 'Damrak',
        locality: 'Amsterdam',
        'postal-code': '1012LG',
        country: 'NL',
      },
      'DE',
    ),
    ['Jo Doe', 'Damrak 1', '1012 LG Amsterdam', 'NETHERLANDS'],
  )
  t.same(
    label(
      {
        name: '山田',
        street: '永田町1-7-1',
        locality: '千代田区',
        region: '東京都',
        'postal-code': '1000014',
        country: 'JP',
      },
      'JP',
    ),
    ['〒100-0014', '東京都', '千代田区', '永田町1-7-1', '山田'],
  )
  t.same(
    label(
      {
        ...jo,
        street: 'Av. Paulista',
        'street-number': '1578',
        district: 'Bela Vista',
        locality: 'São Paulo',
        region: 'SP',
        'postal-code': '01310-200',
        country: 'BR',
      },
      'BR',
    ),
    ['Jo Doe', 'Av. Paulista, 1578', 'Bela Vista', 'São Paulo-SP', '01310-200'],
  )
  t.same(
    label(
      {
        ...jo,
        street: 'Straße des 17. Juni 135',
        locality: 'Berlin',
        region: 'Berlin',
        'postal-code': '10623',
        country: 'DE',
      },
      'FR',
    ),
    ['Jo Doe', 'Straße des 17. Juni 135', '10623 Berlin', 'GERMANY'],
  )
  t.same(
    label(
      { ...jo, street: '1 Orchard Road', locality: 'Singapore', 'postal-code': '238824', country: 'SG' },
      'SG',
    ),
    ['Jo Doe', '1 Orchard Road', 'SINGAPORE 238824'],
  )
})
