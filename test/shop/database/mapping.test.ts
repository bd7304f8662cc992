/** The mapping file: what is misspelt is refused with its place, and no text whatsoever does anything else. */
import fc from 'fast-check'
import t from 'tap'
import { MappingError } from '../../../host-agent/shop/mapping/errors.ts'
import { parseMapping } from '../../../host-agent/shop/mapping/mapping.ts'
import { recordName } from '../../../host-agent/shop/mapping/record-name.ts'
import { PUBLIC_KEY } from './shop.ts'

type Tree = { [name: string]: Tree | string | number | null | (string | number)[] }

const CARD: Tree = {
  type: 'card',
  inputs: { number: 'no', holder: 'owner' },
  sealed: { number: 'no', holder: 'owner' },
  readable: { last4: 'last4' },
}
const whole = (table: Tree, others: Tree = {}) => ({
  database: { kind: 'sqlite', file: 'shop.db' },
  publicKey: PUBLIC_KEY,
  tables: { t: { key: ['id'], ...table } },
  ...others,
})
const parse = (value: unknown) => parseMapping(JSON.stringify(value), 'shop.json')

t.test('When a mapping is right, then it says what each column is', async t => {
  const { tables, database, key } = parse(
    whole({
      key: ['a', 'b'],
      sealed: { phone: 'phone.number', note: { field: 'x.note', index: { column: 'ix', bits: 32 } } },
      records: {
        card: CARD,
        home: {
          type: 'address',
          inputs: { name: 'name', street: 'street', country: 'land' },
          sealed: { rest: 'address' },
          readable: { country: 'land', 'street-number': 'number' },
        },
      },
      legacy: { cc: { key: 'old', into: { 'card.number': 'cc' } } },
    }),
  )
  const [table] = tables
  t.match({ database, key }, { database: { kind: 'sqlite', file: 'shop.db' }, key: { key: 'orders' } })
  t.equal(recordName(table!.record, table!.key, ['1', 'ü']), 't/1/ü')
  const [phone, note, card, home] = table!.pieces
  t.same(phone!.sealed.get('text'), { column: 'phone', field: 'phone.number' })
  t.same(note!.indexes.get('text'), { column: 'ix', field: 'x.note', bits: 32 })
  t.same(card!.sealed.get('holder'), { column: 'owner', field: 'card.holder' })
  t.same(home!.emptied, ['name', 'street'], 'what moved into another column is emptied in its own')
  t.same(home!.sealed.get('rest'), { column: 'address', field: 'address.rest' })
  const named = parse(whole({ record: 'x-{id}-y', sealed: { phone: 'phone.number' } })).tables[0]!
  t.equal(recordName(named.record, named.key, ['7']), 'x-7-y')
})

t.test('When something in it is wrong, then the error begins with its place', async t => {
  const server = (database: Tree) => ({ ...whole({ sealed: { p: 'x' } }), database })
  const good = { user: 'u', database: 'd' }
  const cases: [value: unknown, message: RegExp][] = [
    [[], /this is not an object/],
    [{}, /^publicKey: this property is missing/],
    [{ ...whole({ sealed: { p: 'x' } }), table: {} }, /^table: there is no such property/],
    [{ ...whole({ sealed: { p: 'x' } }), tables: {} }, /^tables: there is no table/],
    [{ ...whole({ sealed: { p: 'x' } }), publicKey: 'clvp1:x' }, /^publicKey: this is not a public key/],
    [whole({ sealed: { p: { feild: 'x' } } }), /^tables\.t\.sealed\.p\.feild: there is no such/],
    [whole({ sealed: { p: 'No' } }), /^tables\.t\.sealed\.p: this is not a field/],
    [whole({ sealed: { p: 'card.cvv' } }), /^tables\.t\.sealed\.p: .*must never be stored/],
    [whole({ sealed: { id: 'x' } }), /^tables\.t\.sealed\.id: the column id is of the key/],
    [whole({}), /^tables\.t: nothing of it is sealed/],
    [whole({ key: [], sealed: { p: 'x' } }), /^tables\.t\.key: this is not a list/],
    [whole({ key: ['id', 'id'], sealed: { p: 'x' } }), /^tables\.t\.key: id is there twice/],
    [whole({ record: 'all', sealed: { p: 'x' } }), /^tables\.t\.record: the column id .* is not in it/],
    [whole({ record: '{p}{id}', sealed: { p: 'x' } }), /^tables\.t\.record: p is no column of the key/],
    [whole({ record: '{id', sealed: { p: 'x' } }), /^tables\.t\.record: its braces/],
    [whole({ records: { c: { ...CARD, type: 'cart' } } }), /^tables\.t\.records\.c\.type: there is no such/],
    [
      whole({ records: { c: { ...CARD, sealed: { number: 'no' } } } }),
      /c\.sealed\.holder: the input holder has/,
    ],
    [
      whole({ records: { c: { ...CARD, inputs: { holder: 'owner' } } } }),
      /c\.inputs\.number: this is missing/,
    ],
    [
      whole({ records: { c: { ...CARD, readable: { last5: 'x' } } } }),
      /c\.readable\.last5: the type has nothing/,
    ],
    [whole({ records: { c: CARD }, sealed: { no: 'x' } }), /records\.c: the column no is written twice/],
    [
      whole({ sealed: { p: { field: 'x', index: { column: 'i', bits: 12 } } } }),
      /index\.bits: this is not a multiple/,
    ],
    [
      whole({ sealed: { p: 'x' }, legacy: { p: { key: 'o', into: { y: 'q' } } } }),
      /legacy\.p: the column p is of/,
    ],
    [server({ kind: 'oracle' }), /^database\.kind: there is no such kind/],
    [server({ kind: 'sqlite', file: 'x', user: 'u' }), /^database\.user: a SQLite database/],
    [server({ kind: 'mariadb', ...good, password: 'p' }), /^database\.password: there is no such property/],
    [server({ kind: 'mariadb', ...good, host: 'db.example' }), /^database\.authority: .* TLS/],
    [server({ kind: 'postgres', ...good, port: 70_000 }), /^database\.port: this is not a port/],
    [
      server({ kind: 'postgres', ...good, socket: '/run', host: 'x' }),
      /^database\.host: there is a socket and/,
    ],
  ]
  for (const [value, message] of cases) t.throws(() => parse(value), { code: 'bad-mapping', message })
  t.throws(() => parseMapping('{', 'shop.json'), { message: /^shop\.json: this is not JSON/ })
})

t.test('Whatever is changed in a mapping, it is a mapping or a MappingError', async t => {
  const base = JSON.stringify(
    whole({ sealed: { p: 'x' }, records: { c: CARD }, legacy: { cc: { key: 'o', into: { y: 'cc' } } } }),
  )
  const check = (text: string) => {
    try {
      return parseMapping(text, 'shop.json').tables.length > 0
    } catch (error) {
      if (error instanceof MappingError) return true
      throw error
    }
  }
  fc.assert(fc.property(fc.json(), check))
  fc.assert(
    fc.property(fc.nat(base.length), fc.nat(5), fc.string({ maxLength: 4 }), (at, cut, put) =>
      check(base.slice(0, at) + put + base.slice(at + cut)),
    ),
    { numRuns: 2000 },
  )
  // Any value in the place of any other.
  const paths = [...base.matchAll(/"(\w+)":/g)].map(([, name]) => name!)
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (name, value) =>
      check(JSON.stringify(JSON.parse(base, (key, old) => (key === name ? value : old)))),
    ),
    { numRuns: 2000 },
  )
  t.pass('2,000 of each')
})
