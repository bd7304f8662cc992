/** Blind indexes: equal values and only they have equal ones, and PHP computes the same. docs/records.md, "The blind index". */
import { spawnSync } from 'node:child_process'
import { createHmac, hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { blindIndex, DEFAULT_BITS } from '../../host-agent/shop/records/blind-index.ts'
import { join, split } from '../../host-agent/shop/records/record.ts'
import { FORBIDDEN_FIELDS } from '../../protocol/envelope/forbidden.ts'

const key = new Uint8Array(32).map((_, i) => i)
const PAGE = readFileSync(new URL('../../docs/records.md', import.meta.url), 'utf8')
const [, PHP = ''] = /```php\n(.*?)```/s.exec(PAGE) ?? []

/** Computes the indexes of a JSON array of [field, value, bits] with the function that the page shows. */
const PROGRAM = `
${PHP}
foreach (json_decode(stream_get_contents(STDIN), true) as [$field, $value, $bits]) {
  echo claviger_blind_index(hex2bin($argv[1]), $field, $value, $bits), "\\n";
}`

t.test('When a value is indexed, then as the page says, byte for byte', async t => {
  const fieldKey = new Uint8Array(hkdfSync('sha256', key, '', 'claviger/index/v1/card.number', 32))
  const mac = createHmac('sha256', fieldKey).update('4242424242424242').digest()
  t.equal(DEFAULT_BITS, 16)
  t.equal(blindIndex(key, 'card.number')('4242424242424242'), mac.subarray(0, 2).toString('base64url'))
  t.equal(blindIndex(key, 'card.number', 128)('4242424242424242'), mac.subarray(0, 16).toString('base64url'))
  const [, vector] =
    /`card\.number` of `4242424242424242` under the key `00 01 … 1f` is `([\w-]+)`/.exec(PAGE) ?? []
  t.equal(blindIndex(key, 'card.number', 64)('4242424242424242'), vector)
})

t.test('When a number is written in several ways, then it has one index', async t => {
  const index = blindIndex(key, 'card.number', 64)
  const indexes = ['4242 4242 4242 4242', '4242-4242-4242-4242', '４２４２４２４２４２４２４２４２'].map(
    number => index(join('card', split('card', number)).number!),
  )
  t.equal(new Set(indexes).size, 1)
})

t.test('When the key, the field or the value is another, then so is the index', async t => {
  const other = key.slice()
  other[31]! ^= 1
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
      const index = blindIndex(key, 'phone.number', 128)
      t.equal(index(a) === index(b), a === b)
      t.not(blindIndex(other, 'phone.number', 128)(a), index(a))
      t.not(blindIndex(key, 'phone.numbe', 128)(a), index(a))
    }),
    { numRuns: 50 },
  )
})

t.test('When there are more values than indexes, then several share one, as many as chance says', async t => {
  const index = blindIndex(key, 'card.number', 8)
  const counts = new Map<string, number>()
  for (let i = 0; i < 25_600; i++) {
    const value = index(String(4_000_000_000_000_000 + i))
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  t.equal(counts.size, 256)
  // 100 in each, give or take six deviations of 10
  t.ok(Math.min(...counts.values()) > 40 && Math.max(...counts.values()) < 160)
})

t.test('When something cannot be indexed, then it is refused', async t => {
  for (const bad of [new Uint8Array(31), new Uint8Array(33), 'k'.repeat(32) as never])
    t.throws(() => blindIndex(bad, 'phone.number'), { code: 'bad-key' })
  for (const field of ['', 'Card', 'card number', 'x'.repeat(33), 1 as never])
    t.throws(() => blindIndex(key, field), { code: 'bad-context' })
  for (const field of FORBIDDEN_FIELDS) t.throws(() => blindIndex(key, field), { code: 'forbidden-field' })
  for (const bits of [0, 4, 12, 136, 16.5, Number.NaN, -8, '16' as never])
    t.throws(() => blindIndex(key, 'phone.number', bits), { code: 'bad-record-type' })
  const index = blindIndex(key, 'phone.number')
  for (const value of ['', 'half \ud83d', undefined as never, 42 as never])
    t.throws(() => index(value), { code: 'bad-record' })
})

if (spawnSync('php', ['-r', 'exit(0);']).status !== 0) {
  if (process.env.CI) t.fail('php is not on this machine, and the checks need it')
  else t.test('php computes indexes', { skip: 'php is not on this machine' }, () => {})
} else {
  t.test('When PHP computes an index with what the page shows, then it is the same', async t => {
    const rows = fc.sample(
      fc.tuple(
        fc.constantFrom('card.number', 'phone.number', 'iban.number', 'a'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }),
        fc.integer({ min: 1, max: 16 }).map(bytes => bytes * 8),
      ),
      300,
    )
    const { status, stdout, stderr } = spawnSync(
      'php',
      ['-r', PROGRAM, '--', Buffer.from(key).toString('hex')],
      {
        input: JSON.stringify(rows),
        encoding: 'utf8',
      },
    )
    t.equal(stderr, '')
    t.equal(status, 0)
    t.same(
      stdout.trimEnd().split('\n'),
      rows.map(([field, value, bits]) => blindIndex(key, field, bits)(value)),
    )
  })
}
