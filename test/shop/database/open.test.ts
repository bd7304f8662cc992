/** `claviger shop open`: the rows that were asked for, in that order, with what failed in its place. */
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { sealedShop } from './sealed-shop.ts'

const ROWS = 2000
const { shop, seal, mapping, run } = await sealedShop(t.testdir())
t.teardown(() => shop.stop())

const noteOf = (id: number) => `note ${id}, "quoted"\n=1+1`
const sealNote = (id: number, text = noteOf(id)) =>
  seal({ field: 'order.note', record: `orders/${id}` }, text)

await shop.run('CREATE TABLE orders (id integer PRIMARY KEY, status text, last4 text, note text, card text)')
await shop.run('BEGIN')
for (let id = 1; id <= ROWS; id++)
  await shop.run('INSERT INTO orders VALUES (?, ?, ?, ?, NULL)', id, 'paid', '4242', sealNote(id))
const card = seal({ field: 'card.number', record: 'orders/3' }, '4242424242424242')
await shop.run('UPDATE orders SET card = ? WHERE id = 3', card)
await shop.run('COMMIT')
const orders = mapping({
  orders: {
    key: ['id'],
    sealed: { note: 'order.note' },
    records: {
      card: {
        type: 'card',
        ...{ inputs: { number: 'card' }, sealed: { number: 'card' }, readable: { last4: 'last4' } },
      },
    },
  },
})
const OPEN = ['open', orders, '--purpose', 'support']

t.test('When all rows are opened, then they come in the order of the key, 2,000 of them', async t => {
  const { status, stdout, stderr } = await run([...OPEN, '--all', '--column', 'note'])
  t.equal(status, 0, stderr)
  t.match(stderr, /risk: (.|\n)*claviger: opened 2000 of 2000 fields/)
  const [heading, ...rows] = parse(stdout) as string[][]
  t.strictSame(heading, ['id', 'note', 'claviger_error'])
  t.strictSame(
    rows,
    Array.from({ length: ROWS }, (_, i) => [String(i + 1), noteOf(i + 1), '']),
  )
})

t.test('When keys are named, then rows come as named, and a key without a row is told', async t => {
  const { status, stdout, stderr } = await run([...OPEN, '--key', '300,3', '--key', '+7', '--key', '3'])
  t.equal(status, 0, stderr)
  const [heading, ...rows] = parse(stdout) as string[][]
  t.strictSame(heading, ['id', 'last4', 'note', 'card', 'claviger_error'], 'key, readable, sealed')
  t.strictSame(
    rows.map(([id, last4, note, card]) => [id, last4, note, card]),
    [
      ['300', '4242', noteOf(300), ''],
      ['3', '4242', noteOf(3), '4242424242424242'],
      ['7', '4242', noteOf(7), ''],
      ['3', '4242', noteOf(3), '4242424242424242'],
    ],
  )
  const from = [...OPEN, '--keys-from', '-', '--column', 'status', '--format', 'ndjson', '--json']
  const listed = await run(from, { stdin: '9999\r\n\n2\n5000\n1' })
  t.equal(listed.status, 1, listed.stderr)
  t.equal(listed.stdout, '{"id":"2","status":"paid"}\n{"id":"1","status":"paid"}\n')
  t.match(JSON.parse(listed.stderr), { rows: 2, fields: 0, missing: [['9999'], ['5000']] })
  const gone = await run([...OPEN, '--key', '9999,1', '--column', 'note'])
  t.match(gone, { status: 1, stderr: /opened 1 of 1 field .*\nclaviger: no row has the key 9999\n/ })
})

t.test('When a cell fails, then its code stands for it, and all others are right', async t => {
  const before = await shop.run('SELECT note FROM orders WHERE id IN (10, 11, 12) ORDER BY id')
  await shop.run('UPDATE orders SET note = ? WHERE id = 10', sealNote(9))
  await shop.run('UPDATE orders SET note = ? WHERE id = 11', 'never sealed')
  await shop.run('UPDATE orders SET note = NULL WHERE id = 12')
  const args = [...OPEN, '--key', '9,10,11,12,13', '--column', 'note']
  const csv = await run(args)
  t.equal(csv.status, 1)
  t.strictSame(parse(csv.stdout).slice(1), [
    ['9', noteOf(9), ''],
    ['10', '', 'note:open-failed'],
    ['11', '', 'note:bad-token'],
    ['12', '', ''],
    ['13', noteOf(13), ''],
  ])
  t.match(csv.stderr, /opened 2 of 4 fields .*2 failed: open-failed 1, bad-token 1(.|\n)*hint: open-failed: /)
  const ndjson = await run([...args, '--format', 'ndjson'])
  t.strictSame(
    ndjson.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
    [
      { id: '9', note: noteOf(9) },
      { id: '10', note: null, claviger_error: 'note:open-failed' },
      { id: '11', note: null, claviger_error: 'note:bad-token' },
      { id: '12', note: null },
      { id: '13', note: noteOf(13) },
    ],
  )
  for (const [i, [note]] of before.entries())
    await shop.run('UPDATE orders SET note = ? WHERE id = ?', String(note), 10 + i)
})

t.test('When a part of the value is enough, then no more of it comes', async t => {
  const args = [...OPEN, '--key', '3', '--column', 'card', '--format', 'ndjson', '--reveal']
  t.match((await run([...args, 'last4'])).stdout, '{"id":"3","card":"4242"}\n')
  const masked = await run([...args, 'mask', '--keep', '2'])
  t.match(JSON.parse(masked.stdout).card, /^[^0-9]+42$/)
})

t.test('When a key is of several columns, then its values are named together', async t => {
  await shop.run('CREATE TABLE spots (region text, nr integer, note text, PRIMARY KEY (region, nr))')
  for (const [region, nr] of [
    ['a,b', 1],
    ['a,b', 2],
    ['"q"', 1],
  ] as const) {
    const note = seal({ field: 'spot.note', record: `spots/${region}/${nr}` }, `${region} ${nr}`)
    await shop.run('INSERT INTO spots VALUES (?, ?, ?)', region, nr, note)
  }
  const spots = mapping({ spots: { key: ['region', 'nr'], sealed: { note: 'spot.note' } } })
  const args = ['open', spots, '--purpose', 'support', '--key', '"""q""",1', '--key', '"a,b",2']
  const { status, stdout, stderr } = await run(args)
  t.equal(status, 0, stderr)
  t.strictSame(parse(stdout).slice(1), [
    ['"q"', '1', '"q" 1', ''],
    ['a,b', '2', 'a,b 2', ''],
  ])
  const short = await run([...args.slice(0, 4), '--key', '1'])
  t.match(short, { status: 2, stdout: '', stderr: /1 is no key of spots\nhint: .*region, nr/ })
})

t.test('When columns were encrypted the old way, then what is a token of them by now opens', async t => {
  await shop.run('CREATE TABLE old (id integer PRIMARY KEY, cc text, expiry text)')
  const token = (field: string, text: string) => seal({ field, record: 'old/1' }, text)
  const tokens = [token('card.number', '4242424242424242'), token('card.expiry', '12/28')]
  await shop.run('INSERT INTO old VALUES (1, ?, ?)', ...tokens)
  await shop.run(`INSERT INTO old VALUES (2, 'QUJD', NULL)`)
  const legacy = { cc: { key: 'old-cards', into: { 'card.number': 'cc', 'card.expiry': 'expiry' } } }
  const { status, stdout } = await run([
    'open',
    mapping({ old: { key: ['id'], legacy } }),
    ...['--purpose', 'support', '--all'],
  ])
  t.equal(status, 1)
  t.equal(
    stdout,
    'id,cc,expiry,claviger_error\n1,4242424242424242,12/28,\n2,,,cc:bad-token\n',
    'the other one is to be rewrapped first',
  )
})

t.test('When the usage is wrong, then the exit status is 2, and it says what to do', async t => {
  const cases: [args: string[], message: RegExp][] = [
    [OPEN, /not said which rows\nhint: /],
    [[...OPEN, '--all', '--key', '1'], /each say which rows/],
    [['open', orders, '--all'], /--purpose is missing/],
    [[...OPEN, '--all', '--column', 'cvv'], /orders has no column cvv\nhint: it has id, status/],
    [[...OPEN, '--all', '--format', 'xml'], /no format xml/],
    [[...OPEN, '--all', '--reveal', 'equals'], /--reveal takes full, last4, mask/],
    [[...OPEN, '--all', '--table', 'spots'], /the mapping has no table spots/],
    [[...OPEN, '--key', '1 OR 1=1'], /is no key of orders\nhint: id is an integer/],
    [[...OPEN, '--key', '"1'], /is no key/],
    [[...OPEN, '--keys-from', 'nowhere'], /nowhere cannot be read: ENOENT/],
  ]
  for (let i = 0; i < cases.length; i += 2)
    await Promise.all(
      cases.slice(i, i + 2).map(async ([args, message]) => {
        const { status, stdout, stderr } = await run(args)
        t.match({ status, stdout }, { status: 2, stdout: '' }, `${message}`)
        t.match(stderr, message)
      }),
    )
})
