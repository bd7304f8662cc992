/** `claviger shop labels`: a page with the addresses of rows, and of each row that is not on it the reason. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { split } from '../../../host-agent/shop/records/record.ts'
import { CASES } from '../record-cases.ts'
import { sealedShop } from './sealed-shop.ts'

const home = t.testdir()
const { shop, seal, mapping, run } = await sealedShop(home)
t.teardown(() => shop.stop())

const NAME = `O'Brien & <Söhne> "GmbH"`
const addresses = CASES.flatMap(([type, value, , , country]) =>
  type === 'address' ? [split(type, value, country ? { country } : {})] : [],
)
await shop.run(
  'CREATE TABLE orders (id integer PRIMARY KEY, item text, name text, rest text, nr text, zip text, country text)',
)
for (const [i, { sealed, readable }] of addresses.entries()) {
  const record = `orders/${i + 1}`
  await shop.run(
    'INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)',
    i + 1,
    `Tea <${i + 1}>`,
    seal({ field: 'order.name', record }, NAME),
    seal({ field: 'address.rest', record }, sealed.rest!),
    readable['street-number'] ?? null,
    readable['postal-code'] ?? null,
    readable.country!,
  )
}
const parts = { sealed: { rest: 'rest' }, readable: { 'postal-code': 'zip', country: 'country' } }
const inputs = { street: 'rest', 'postal-code': 'zip', country: 'country' }
const orders = mapping({
  orders: {
    key: ['id'],
    sealed: { name: 'order.name' },
    records: { home: { type: 'address', inputs, ...parts } },
  },
})
const LABELS = ['labels', orders, '--purpose', 'ship']
const page = (name: string) => readFileSync(join(home, name), 'utf8')

t.test('When labels are made, then the page has each address once, and is of its user alone', async t => {
  writeFileSync(join(home, 'all.html'), 'of last week', { mode: 0o644 })
  const made = await run([...LABELS, '--all', '--out', 'all.html', '--name', 'name', '--from-country', 'DE'])
  t.equal(made.status, 0, made.stderr)
  t.match(
    made.stderr,
    `wrote ${addresses.length} labels on 1 sheet to all.html\nhint: it holds addresses in plaintext`,
  )
  t.equal(statSync(join(home, 'all.html')).mode & 0o777, 0o600)
  const text = page('all.html')
  t.equal(text.split('class="label"').length - 1, addresses.length)
  for (const line of ['1600 Amphitheatre Pkwy', 'UNITED STATES', '〒100-0014', 'Av. Paulista, 1578', 'CDMX'])
    t.match(text, line)
  t.match(text, '10623 Berlin')
  t.notMatch(text, 'GERMANY', 'posted there')
  t.match(text, '<div dir="auto">PM</div>', 'an address keeps a name of its own')
  t.equal(text.split('O&#39;Brien &amp; &lt;Söhne&gt; &quot;GmbH&quot;').length, addresses.length)
  t.same(
    readdirSync(home).filter(name => name.endsWith('.new')),
    [],
  )
})

t.test('When keys are named, then labels come as named, behind those that are used up', async t => {
  const args = [...LABELS, '--out', 'some.html', '--per-page', 'A4-14', '--skip', '13', '--packing', 'item']
  const made = await run([...args, '--packing', 'id', '--key', '3,1', '--json'])
  t.equal(made.status, 0, made.stderr)
  t.strictSame(JSON.parse(made.stdout), { labels: 2, sheets: 2, leftOut: [], missing: [] })
  const text = page('some.html')
  t.match(text, /Straße des 17\. Juni 135(.|\n)*1600 Amphitheatre(.|\n)*<h1>orders\/3(.|\n)*<h1>orders\/1/)
  t.match(text, '<th>item</th><td dir="auto">Tea &lt;3&gt;</td>')
})

t.test(
  'When rows cannot be printed, then each is named with the reason, and the others are there',
  async t => {
    const row = (id: number, rest: string | null, country = 'NL') =>
      shop.run('INSERT INTO orders VALUES (?, NULL, NULL, ?, NULL, NULL, ?)', id, rest, country)
    const sealRest = (id: number, rest: object) =>
      seal({ field: 'address.rest', record: `orders/${id}` }, JSON.stringify(rest))
    await row(101, sealRest(102, { street: 'Damrak 1' }))
    await row(102, null)
    await row(103, sealRest(103, { street: 7 }))
    await row(104, sealRest(104, { street: 'Damrak 1' }), 'Atlantis')
    await row(105, sealRest(105, { street: 'Damrak '.repeat(800) }))
    await row(106, sealRest(106, { street: 'Damrak 106' }))
    const made = await run([...LABELS, '--key', '101,102,103,104,105,106,107', '--out', 'bad.html'])
    t.equal(made.status, 1)
    for (const reason of [
      /orders\/101 is left out: rest: open-failed\n/,
      /orders\/102 is left out: there is no address\n/,
      /orders\/103 is left out: address\.rest: not what was sealed here\n/,
      /orders\/104 is left out: country: /,
      /orders\/105 is left out: its \d+ lines do not fit on a label of 70 x 37 mm\n/,
      /no row has the key 107\n/,
      /wrote 1 label on 1 sheet/,
    ])
      t.match(made.stderr, reason)
    t.match(page('bad.html'), 'Damrak 106')
    const none = await run([...LABELS, '--key', '101', '--out', 'none.html'])
    t.match(none, { status: 1, stderr: /there is no label, and nothing was written/ })
    t.notOk(readdirSync(home).includes('none.html'))
  },
)

t.test('When the usage is wrong, then nothing is opened, and it says what to do', async t => {
  const notes = mapping({ orders: { key: ['id'], sealed: { name: 'order.name' } } })
  const all = [...LABELS, '--all', '--out', 'x.html']
  const both = mapping({
    orders: { key: ['id'], records: { home: { type: 'address', inputs, ...parts } } },
    notes: { key: ['id'], sealed: { note: 'order.note' } },
  })
  const cases: [args: string[], message: RegExp][] = [
    [[...LABELS, '--all'], /--out is missing/],
    [[...LABELS, '--out', 'x.html'], /not said which rows/],
    [['labels', notes, '--purpose', 'ship', '--all', '--out', 'x.html'], /the mapping has no addresses/],
    [all.with(1, both).concat('--table', 'notes'), /notes has no addresses/],
    [all.with(1, both).concat('--table', 'nowhere'), /the mapping has no table nowhere/],
    [[...all, '--address', 'office'], /orders has no address office\nhint: .*home/],
    [[...all, '--per-page', '5x5'], /no sheet of labels 5x5\nhint: /],
    [[...all, '--skip', '24'], /--skip takes a number from 0 to 23/],
    [[...all, '--from-country', 'Atlantis'], /Atlantis is no country/],
    [[...all, '--packing', 'rest'], /rest is sealed\nhint: /],
    [[...all, '--name', 'nobody'], /orders has no column nobody/],
    [[...LABELS, '--all', '--out', 'nowhere/x.html'], /cannot be written: ENOENT/],
    [[...LABELS, '--all', '--out', '.'], /no ordinary file/],
  ]
  for (let i = 0; i < cases.length; i += 2)
    await Promise.all(
      cases.slice(i, i + 2).map(async ([args, message]) => {
        const { status, stdout, stderr } = await run(args)
        t.match({ status, stdout }, { status: 2, stdout: '' }, `${message}`)
        t.match(stderr, message)
      }),
    )
  t.notOk(readdirSync(home).includes('x.html'))
})
