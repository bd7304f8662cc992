/** Types of records that a shop declares itself: what is taken, what is refused, and that no declaration makes a card readable. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseTypes } from '../../host-agent/shop/records/declaration.ts'
import { RecordTypeError } from '../../host-agent/shop/records/errors.ts'
import { READERS } from '../../host-agent/shop/records/readers.ts'
import { join, split } from '../../host-agent/shop/records/record.ts'
import { TYPES } from '../../host-agent/shop/records/types.ts'
import { FORBIDDEN_FIELDS } from '../../protocol/envelope/forbidden.ts'

const PAGE = readFileSync(new URL('../../docs/records.md', import.meta.url), 'utf8')
const parse = (value: unknown) => parseTypes(JSON.stringify(value), 'types.json')
/** A type of one input. */
const one = (input: unknown, name = 'loyalty') => ({ [name]: { inputs: { a: input } } })
const text = { reads: 'text', keep: 'sealed', required: true }

t.test('When our own types are written as JSON, then they are read as they are', async t => {
  t.same(parse(TYPES), TYPES)
})

t.test('When a shop declares a type, then it stands beside ours and works as they do', async t => {
  const types = parse({
    customer: {
      inputs: {
        name: { reads: 'text', keep: 'sealed', into: 'who', required: true },
        born: { reads: 'text', keep: 'sealed', into: 'who' },
        phone: { reads: 'phone', keep: 'sealed', tells: { 'phone-country': 'country' } },
        constructor: { reads: 'text', keep: 'sealed', into: 'valueof' },
        country: { reads: 'country', keep: 'readable' },
      },
    },
  })
  t.same(Object.keys(types).sort(), [...Object.keys(TYPES), 'customer'].sort())
  const value = {
    name: 'Zoë',
    born: '1970-01-01',
    phone: '020 624 1111',
    constructor: 'x',
    country: 'Holland',
  }
  const parts = split('customer', value, { types })
  t.same(parts, {
    sealed: {
      phone: '+31206241111',
      who: '{"name":"Zoë","born":"1970-01-01"}',
      valueof: '{"constructor":"x"}',
    },
    readable: { country: 'NL', 'phone-country': 'NL' },
  })
  t.same(join('customer', parts, { types }), { ...value, phone: '+31206241111', country: 'NL' })
})

t.test('When the page shows a declaration, then it works', async t => {
  const [, json = ''] = /```json\n(.*?)```/s.exec(PAGE) ?? []
  const types = parseTypes(json, 'records.md')
  const address = { street: 'Damrak 1', locality: 'Amsterdam', 'postal-code': '1012LG', country: 'NL' }
  const { sealed, readable } = split('address', address, { types })
  t.same(readable, { country: 'NL' })
  t.same(join('address', { sealed, readable }, { types }), { ...address, 'postal-code': '1012 LG' })
  t.same(split('tax', 'DE 123456789', { types }), { sealed: { number: 'DE 123456789' }, readable: {} })
})

t.test('When the page lists types, inputs or readers, then they are all there', async t => {
  for (const name of [...Object.keys(TYPES), ...Object.keys(READERS)])
    t.ok(PAGE.includes(`\`${name}\``), name)
})

const REFUSED: [unknown, RegExp][] = [
  [{}, /not an object with something in it/],
  [[text], /not an object/],
  [{ loyalty: {} }, /loyalty: this is not an object/],
  [{ loyalty: { inputs: {} } }, /not an object with something/],
  [{ Loyalty: { inputs: { a: text } } }, /not a name/],
  [{ loyalty: { inputs: { A_B: text } } }, /not a name/],
  [{ [`l${'o'.repeat(29)}`]: { inputs: { number: text } } }, /not a name/],
  [{ loyalty: { inputs: { a: text }, sealed: true } }, /a property that is none/],
  [{ loyalty: { inputs: { a: text }, text: 'b' } }, /"text" names no input/],
  [{ loyalty: { inputs: { a: text }, text: 'constructor' } }, /"text" names no input/],
  [one({ ...text, seald: true }), /a property that is none/],
  [one({ ...text, reads: 'regexp' }), /names no reader/],
  [one({ ...text, reads: 'constructor' }), /names no reader/],
  [one({ ...text, keep: 'secret' }), /"keep" is neither/],
  [one({ reads: 'text', required: true }), /"keep" is neither/],
  [one({ ...text, required: 'yes' }), /"required" is neither/],
  [one({ reads: 'text', keep: 'sealed' }), /no input is required/],
  [one({ ...text, into: 1 }), /"into" is not a name/],
  [one({ ...text, into: '__proto__' }), /not a name/],
  [one({ ...text, tells: { last4: 'last4' } }), /does not tell that/],
  [one({ ...text, reads: 'iban', tells: { all: 'number' } }), /does not tell that/],
  [one({ ...text, reads: 'iban', tells: { __proto__x: 'last4' } }), /not a name/],
  [one({ ...text, reads: 'iban', keep: 'readable', tells: { last4: 'last4' } }), /readable already/],
  [one({ ...text, reads: 'card-number', keep: 'readable' }), /must be sealed/],
  [
    { card: { inputs: { number: { reads: 'card-number', keep: 'readable', required: true } } } },
    /must be sealed/,
  ],
  [{ loyalty: { inputs: { a: text, b: { ...text, into: 'a' } } } }, /two inputs make the part/],
  [
    {
      loyalty: {
        inputs: {
          card: { reads: 'card-number', keep: 'sealed', tells: { last4: 'last4' }, required: true },
          account: { reads: 'iban', keep: 'sealed', tells: { last4: 'last4' } },
        },
      },
    },
    /two inputs make the part "last4"/,
  ],
  [
    {
      loyalty: {
        inputs: {
          a: { reads: 'iban', keep: 'sealed', tells: { b: 'last4' }, required: true },
          b: { reads: 'text', keep: 'readable' },
        },
      },
    },
    /two inputs make the part "b"/,
  ],
  [
    {
      loyalty: {
        inputs: {
          a: { reads: 'country', keep: 'readable', required: true },
          b: { reads: 'country', keep: 'sealed' },
        },
      },
    },
    /two countries/,
  ],
]

for (const [value, message] of REFUSED) {
  t.test(
    `When a declaration is ${JSON.stringify(value).slice(0, 90)}, then it is refused: ${message}`,
    async t => {
      t.throws(() => parse(value), { code: 'bad-record-type', message, hint: /^\S/ })
    },
  )
}

t.test(
  'When a declaration wants to keep what must not be stored, then it is refused, and the value too',
  async t => {
    const number = { reads: 'card-number', keep: 'sealed', required: true }
    const names = FORBIDDEN_FIELDS.map(field => field.slice('card.'.length))
    for (const name of [...names, 'verification-code', 'security-code', 'cc.cvv2', 'card-code']) {
      for (const type of ['card', 'loyalty'])
        t.throws(() => parse({ [type]: { inputs: { number, [name]: { reads: 'text', keep: 'sealed' } } } }), {
          code: 'bad-record-type',
          message: /never be stored/,
        })
      // Types need not come from JSON.
      const types = {
        loyalty: { inputs: { number, [name]: { reads: 'text', keep: 'sealed' } } },
      } as typeof TYPES
      t.throws(() => split('loyalty', { number: '4242424242424242', [name]: '1' }, { types }), {
        code: 'forbidden-field',
      })
    }
    t.ok(
      parse({ gift: { inputs: { code: text, pin: { reads: 'text', keep: 'sealed' } } } }),
      'the PIN of a gift card is one',
    )
  },
)

t.test('When the text is anything, then it is types or refused in our words', async t => {
  const words = fc.constantFrom(
    'card',
    'inputs',
    'reads',
    'keep',
    'tells',
    'into',
    'text',
    'sealed',
    'iban',
    'last4',
    '__proto__',
  )
  const json = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      words,
      fc.boolean(),
      fc.constant(null),
      tie('object'),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
    object: fc.dictionary(words, tie('value'), { maxKeys: 4 }),
  })).object
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        json.map(value => JSON.stringify(value)),
      ),
      text => {
        try {
          return Object.keys(parseTypes(text, 'types.json')).length > 0
        } catch (error) {
          return error instanceof RecordTypeError
        }
      },
    ),
    { numRuns: 1000 },
  )
  t.throws(() => parseTypes('{', 'types.json'), {
    code: 'bad-record-type',
    message: /types\.json: this is not JSON/,
  })
})
