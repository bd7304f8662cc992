/** What `claviger shop check` and `shop seal` do, the same on each kind of database. */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { checkTable } from '../../../host-agent/shop/checking/check.ts'
import { connect } from '../../../host-agent/shop/database/connect.ts'
import type { Database } from '../../../host-agent/shop/database/database.ts'
import { parseMapping } from '../../../host-agent/shop/mapping/mapping.ts'
import { sealTable } from '../../../host-agent/shop/sealing/seal-table.ts'
import { noteDatabase } from './noting.ts'
import { type Shop, startShop, whyNot } from './servers.ts'
import { openToken, PUBLIC_KEY, Runs } from './shop.ts'

/** Kills that a table is sealed over. */
const KILLS = 5
/** Values that databases and drivers have changed before: capitals, spaces, four bytes, quotation marks, combining marks. */
const TEXTS = [
  'Zoë',
  'ZOË',
  'zoe ',
  ' tab\t',
  '💳 4242',
  'O\'Brien \\ "x"',
  'e\u0301',
  '%_',
  '0',
  '漢字'.repeat(20),
]

/** @param rows - of the table that is killed over */
export async function databaseSuite(kind: Shop['kind'], rows: number): Promise<void> {
  const why = whyNot(kind)
  if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
  if (why) {
    t.pass(`a server of ${kind}`, { skip: why })
    return
  }
  const shop = await startShop(kind)
  const runs = new Runs(shop)
  t.teardown(async () => {
    runs.end()
    await shop.stop()
  })
  const long = kind === 'mariadb' ? 'varchar(700)' : 'text'

  await t.test('When mapping and schema do not fit, then each fault is said and nothing is written', t =>
    faultsAreSaid(t, shop, runs, long),
  )
  await t.test('When sealing is killed again and again, then in the end every row opens to what it was', t =>
    survivesKills(t, shop, runs, long, rows),
  )
  await t.test('When the shop changes rows while they are sealed, then its change is what is sealed', t =>
    keepsChanges(t, shop, long),
  )
  await t.test('When columns are a record, then its parts go where the mapping says, in one step', t =>
    splitsRecords(t, shop, runs, long),
  )
  await t.test(
    'When the statements of the report are run, then the files hold nothing of what was sealed',
    t => leavesNoTrace(t, shop, runs, long),
  )
  await t.test('When a trigger changes what is written, then the batch is taken back', t =>
    takesBack(t, shop, runs, long),
  )
}

async function faultsAreSaid(t: Test, shop: Shop, runs: Runs, long: string): Promise<void> {
  const { kind } = shop
  await shop.run(`CREATE TABLE narrow (id int PRIMARY KEY, phone varchar(20), note ${long} UNIQUE)`)
  await shop.run(`INSERT INTO narrow VALUES (1, '+49 30 901820', 'x'), (2, NULL, NULL)`)
  await shop.run(`CREATE TABLE keyless (id int NOT NULL, phone ${long})`)
  await shop.run(`INSERT INTO keyless VALUES (1, 'a'), (1, 'b')`)
  await shop.run(`CREATE VIEW seen AS SELECT id, phone FROM narrow`)
  await shop.run(`CREATE TABLE noisy (id int PRIMARY KEY, phone ${long})`)
  await makeTrigger(shop, 'noisy', 'listener', 'phone', false)
  const one = (table: string, column = 'phone', more: object = {}) =>
    runs.mapping({ [table]: { key: ['id'], sealed: { [column]: 'phone.number' }, ...more } })
  const cases: [mapping: string, where: string, what: RegExp, hint: RegExp][] = [
    [one('nowhere'), 'nowhere', /no such table/, /./],
    [one('narrow', 'fone'), 'narrow.fone', /no such column/, /it has id, phone, note/],
    [one('narrow', 'phone', { key: ['ident'] }), 'narrow.ident', /no such column/, /it has/],
    [one('keyless'), 'keyless', /1 of its keys occur more than once/, /./],
    [one('seen'), 'seen', /this is a view/, /./],
    [one('noisy'), 'noisy', /the trigger listener/, /"triggers"/],
  ]
  if (kind !== 'sqlite')
    cases.push([
      one('narrow'),
      'narrow.phone',
      /takes 20 characters, and the token .* has up to 10\d/,
      /^ALTER TABLE .*phone/,
    ])
  const database = await connect(parseMapping(readFileSync(one('narrow'), 'utf8'), '').database, {})
  for (const [mapping, where, what, hint] of cases) {
    const parsed = parseMapping(readFileSync(mapping, 'utf8'), mapping)
    const { findings } = await checkTable(database, parsed.tables[0]!, parsed.key)
    const found = findings.find(finding => finding.is === 'fault' && what.test(finding.what))
    t.match(found, { where, hint }, `${what}`)
  }
  await database.close()
  const sealed = await runs.json(['seal', cases.at(-1)![0]])
  t.match({ status: sealed.status, tables: sealed.told.tables }, { status: 1, tables: [] }, sealed.stderr)
  t.same(await shop.run('SELECT phone FROM narrow ORDER BY id'), [['+49 30 901820'], [null]])
  const { status, told } = await runs.json(['check', one('narrow', 'note')])
  t.match(
    { status, findings: told.findings },
    { status: 0, findings: [{ is: 'note', what: /NULL/ }, { what: /unique key/ }] },
  )
  if (kind === 'sqlite') return
  // The statement that the check tells is the one that makes it fit.
  const narrow = one('narrow')
  const hint = (await runs.json(['check', narrow])).told.findings.find(({ is }) => is === 'fault')!.hint!
  // PostgreSQL changes no column that a view reads.
  await shop.run('DROP VIEW seen')
  await shop.run(hint.replaceAll('`', '"'))
  t.equal((await runs.json(['check', narrow])).status, 0, hint)
}

async function survivesKills(t: Test, shop: Shop, runs: Runs, long: string, rows: number): Promise<void> {
  await noteDatabase(t, shop, 'rows are sealed in place, also over kills')
  await shop.run(
    `CREATE TABLE customers (region varchar(20) NOT NULL, id bigint NOT NULL, phone ${long}, name ${long} NOT NULL, PRIMARY KEY (region, id))`,
  )
  const expected = new Map<string, [string | null, string]>()
  // Beyond 2^53, where a number is no longer what it was.
  const first = 9_007_199_254_740_993n
  for (let i = 0; i < rows; ) {
    const values: (string | null)[] = []
    const places: string[] = []
    for (let n = 0; n < 500 && i < rows; n++, i++) {
      const [region, id] = [['Nord', 'süd', "o'st"][i % 3]!, String(first + BigInt(i))]
      const phone = i % 11 === 0 ? null : i % 13 === 0 ? '' : `+49 30 ${i}`
      const name = `${TEXTS[i % TEXTS.length]}`
      expected.set(`customers/${region}/${id}`, [phone, name])
      values.push(region, id, phone, name)
      places.push('(?, ?, ?, ?)')
    }
    await shop.run(`INSERT INTO customers VALUES ${places.join(', ')}`, ...values)
  }
  const mapping = runs.mapping({
    customers: { key: ['region', 'id'], sealed: { phone: 'phone.number', name: 'customer.name' } },
  })
  const dry = await runs.json(['seal', mapping, '--dry-run'])
  t.match(dry, { status: 0, told: { tables: [{ rows, sealed: rows }] } }, dry.stderr)
  let [kills, halves] = [0, 0]
  const countSealed = async () => {
    const [[count] = []] = await shop.run(`SELECT count(*) FROM customers WHERE name LIKE 'clv1.%'`)
    return Number(count)
  }
  for (; kills < KILLS; kills++) {
    const before = await countSealed()
    const { signal, status, stderr } = await runs.run(['seal', mapping], {
      killWhen: async () => (await countSealed()) > before,
    })
    if (signal === null) {
      t.equal(status, 0, stderr)
      break
    }
    const [[half] = []] = await shop.run(
      `SELECT count(*) FROM customers WHERE name LIKE 'clv1.%' AND phone NOT LIKE 'clv1.%' AND phone <> ''`,
    )
    halves += Number(half)
  }
  const sealedByThen = await countSealed()
  t.ok(kills > 0, 'it was killed at least once')
  t.equal(halves, 0, `no row is half done after any of ${kills} kills`)
  const end = await runs.json(['seal', mapping])
  t.match(end, { status: 0, told: { tables: [{ rows, before: sealedByThen, faults: [] }] } }, end.stderr)
  const id = shop.kind === 'mariadb' ? 'CAST(id AS CHAR)' : 'CAST(id AS text)'
  let wrong = 0
  const found = await shop.run(`SELECT region, ${id}, phone, name FROM customers`)
  for (const [region, id, phone, name] of found as string[][]) {
    const record = `customers/${region}/${id}`
    const before = expected.get(record)
    const now = [phone && openToken(phone, 'phone.number', record), openToken(name!, 'customer.name', record)]
    if (before?.[0] !== now[0] || before?.[1] !== now[1]) wrong++
  }
  t.match({ count: found.length, wrong }, { count: rows, wrong: 0 })
  t.comment(`${kills} kills over ${rows} rows, ${sealedByThen} sealed by then`)
}

async function keepsChanges(t: Test, shop: Shop, long: string): Promise<void> {
  await shop.run(`CREATE TABLE moving (id int PRIMARY KEY, phone ${long})`)
  for (let i = 1; i <= 20; i++) await shop.run('INSERT INTO moving VALUES (?, ?)', i, `old ${i}`)
  const mapping = parseMapping(
    JSON.stringify({
      database: shop.connection,
      publicKey: PUBLIC_KEY,
      tables: { moving: { key: ['id'], sealed: { phone: 'phone.number' } } },
    }),
    'mapping',
  )
  const database = await connect(mapping.database, {})
  let reads = 0
  const shopIsFaster: Database = {
    ...database,
    page: async (...args) => {
      const rows = await database.page(...args)
      if (++reads > 1) return rows
      await shop.run(`UPDATE moving SET phone = 'OLD 3' WHERE id = 3`)
      await shop.run(`UPDATE moving SET phone = 'old 4 ' WHERE id = 4`)
      await shop.run('UPDATE moving SET phone = NULL WHERE id = 5')
      await shop.run('DELETE FROM moving WHERE id = 6')
      await shop.run(`INSERT INTO moving VALUES (0, 'new')`)
      return rows
    },
  }
  const table = (await database.describe('moving'))!
  const report = await sealTable(
    shopIsFaster,
    mapping.tables[0]!,
    table,
    {
      seal: sealer(PUBLIC_KEY),
      keyName: 'orders',
      types: mapping.types,
      indexOf: () => () => '',
      isNullable: () => true,
    },
    { dryRun: false },
  )
  await database.close()
  t.match(report, { rows: 20, sealed: 19, again: 4, faults: [] })
  const now = (await shop.run('SELECT id, phone FROM moving ORDER BY id')) as [number, string | null][]
  const opened = now.map(([id, phone]) => phone && openToken(phone, 'phone.number', `moving/${id}`))
  t.same(opened.slice(0, 7), ['new', 'old 1', 'old 2', 'OLD 3', 'old 4 ', null, 'old 7'])
}

async function splitsRecords(t: Test, shop: Shop, runs: Runs, long: string): Promise<void> {
  await shop.run(
    `CREATE TABLE cards (id int PRIMARY KEY, no ${long}, owner ${long}, until varchar(20), brand varchar(20), last4 varchar(4), ix varchar(8))`,
  )
  const put = (...values: (string | number | null)[]) =>
    shop.run('INSERT INTO cards (id, no, owner, until) VALUES (?, ?, ?, ?)', ...values)
  await put(1, '4242 4242 4242 4242', 'Zoë 💳', '12/27')
  await put(2, '4242 4242 4242 4243', 'Wrong Digit', '12/27')
  await put(3, null, null, null)
  await put(4, sealer(PUBLIC_KEY)({ field: 'card.number', record: 'cards/4' }, '1'), 'Written Since', null)
  await put(5, 'clv1.x.orders.1.!!', null, null)
  await put(6, `clv1.x.another.1.${'A'.repeat(90)}`, null, null)
  const mapping = runs.mapping({
    cards: {
      key: ['id'],
      records: {
        card: {
          type: 'card',
          inputs: { number: 'no', holder: 'owner', expiry: 'until' },
          sealed: { number: 'no', holder: 'owner' },
          readable: { brand: 'brand', last4: 'last4', expiry: 'until' },
          indexes: { number: { column: 'ix', bits: 24 } },
        },
      },
    },
  })
  const keyless = await runs.run(['seal', mapping])
  t.match(keyless, { status: 2, stderr: /blind index, and its key is missing/ })
  const env = { CLAVIGER_INDEX_KEY: '00'.repeat(32) }
  const { status, told, stdout, stderr } = await runs.json(['seal', mapping], { env })
  t.equal(status, 1)
  t.match(told.tables?.[0], { rows: 6, sealed: 1 }, stderr)
  t.same(told.tables[0]!.faults.map(({ fault, first }) => [fault, first]).sort(), [
    ['bad-token', ['cards/5']],
    ['mixed', ['cards/4']],
    ['other-key', ['cards/6']],
    ['refused', ['cards/2']],
  ])
  t.notMatch(stdout, /4242 ?4242|Wrong Digit|Written Since/, 'nothing of a row is in the report')
  const rows = (await shop.run(
    'SELECT no, owner, until, brand, last4, ix FROM cards ORDER BY id',
  )) as string[][]
  const [no, owner, ...readable] = rows[0]!
  t.equal(openToken(no!, 'card.number', 'cards/1'), '4242424242424242')
  t.equal(openToken(owner!, 'card.holder', 'cards/1'), 'Zoë 💳')
  t.match(readable, ['2027-12', 'visa', '4242', /^[\w-]{4}$/])
  t.same(rows[1], ['4242 4242 4242 4243', 'Wrong Digit', '12/27', null, null, null])
}

async function leavesNoTrace(t: Test, shop: Shop, runs: Runs, long: string): Promise<void> {
  const values = Array.from({ length: 300 }, (_, i) => `trace ${i} of Zoë`)
  await shop.run(`CREATE TABLE traced (id int PRIMARY KEY, name ${long})`)
  for (const [i, value] of values.entries()) await shop.run('INSERT INTO traced VALUES (?, ?)', i, value)
  // Statistics hold values too, and only a checkpoint brings them all into the files.
  await shop.run(shop.kind === 'mariadb' ? 'ANALYZE TABLE traced PERSISTENT FOR ALL' : 'ANALYZE')
  if (shop.kind === 'postgres') await shop.run('CHECKPOINT')
  if (shop.kind === 'mariadb') await shop.run('FLUSH TABLES traced FOR EXPORT')
  if (shop.kind === 'mariadb') await shop.run('UNLOCK TABLES')
  const mapping = runs.mapping({ traced: { key: ['id'], sealed: { name: 'customer.name' } } })
  const look = () =>
    runs.json(['check', mapping, '--traces', ...shop.files.flatMap(path => ['--in', path])], {
      stdin: values.join('\n'),
    })
  const before = await look()
  t.match(before, { status: 1, told: { values: 300 } }, before.stderr)
  t.ok(
    before.told.traces.some(({ values }) => values === 300),
    'they are found while they are there',
  )
  const { told } = await runs.json(['seal', mapping])
  for (const command of told.lingering.flatMap(({ commands }) => commands))
    if (!/BINARY LOGS/.test(command)) await shop.run(command.replaceAll('`', '"'))
  if (shop.kind === 'postgres') await shop.run('CHECKPOINT')
  t.match(await look(), { status: 0, told: { traces: [] } })
  const counted = await runs.json(['check', mapping, '--versions'])
  const name = { column: 'name', tokens: { 'orders@1': 300 }, open: 0, empty: 0 }
  t.match(counted, { status: 0, told: { versions: [name] } })
}

async function takesBack(t: Test, shop: Shop, runs: Runs, long: string): Promise<void> {
  await shop.run(`CREATE TABLE shouting (id int PRIMARY KEY, phone ${long})`)
  for (let i = 1; i <= 3; i++) await shop.run('INSERT INTO shouting VALUES (?, ?)', i, `old ${i}`)
  await makeTrigger(shop, 'shouting', 'shout', 'phone', true)
  const mapping = runs.mapping({
    shouting: { key: ['id'], sealed: { phone: 'phone.number' }, triggers: ['shout'] },
  })
  const { status, stderr } = await runs.run(['seal', mapping])
  t.match({ status, stderr }, { status: 1, stderr: /shouting.phone does not keep what is written/ })
  t.same(await shop.run('SELECT phone FROM shouting ORDER BY id'), [['old 1'], ['old 2'], ['old 3']])
}

/** @param shouts - whether it makes capitals of what is written */
async function makeTrigger(
  shop: Shop,
  table: string,
  name: string,
  column: string,
  shouts: boolean,
): Promise<void> {
  if (shop.kind === 'sqlite') {
    const body = shouts ? `UPDATE ${table} SET ${column} = upper(${column}) WHERE id = new.id` : 'SELECT 1'
    await shop.run(`CREATE TRIGGER ${name} AFTER UPDATE ON ${table} BEGIN ${body}; END`)
  } else if (shop.kind === 'mariadb') {
    const body = shouts ? `SET NEW.${column} = upper(NEW.${column})` : 'SET @seen = 1'
    await shop.run(`CREATE TRIGGER ${name} BEFORE UPDATE ON ${table} FOR EACH ROW ${body}`)
  } else {
    const body = shouts ? `NEW.${column} := upper(NEW.${column});` : ''
    await shop.run(
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ${body} RETURN NEW; END'`,
    )
    await shop.run(`CREATE TRIGGER ${name} BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${name}()`)
  }
}
