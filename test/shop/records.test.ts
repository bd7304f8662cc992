/** Records in parts: what is sealed, what stays readable, and that nothing is lost between the two. docs/records.md. */
import t from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { join, split, stale } from '../../host-agent/shop/records/record.ts'
import type { ClavigerError } from '../../protocol/api/errors.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'
import { CASES } from './record-cases.ts'

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
