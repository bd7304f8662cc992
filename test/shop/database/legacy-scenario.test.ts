/**
 * The whole move of an old shop: 10,000 cards that PHP encrypted with RSA into MariaDB become tokens in the same column, the old key's file is
 * destroyed, and what PHP seals from then on lies beside them. The appliance is three processes, the commands are programs.
 */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { MAX_ITEMS } from '../../../protocol/api/routes.ts'
import { runner } from '../../cli/run.ts'
import { flashCard, type Processes, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import { cards, newCards, oldRows, TABLE, whyNoPhp } from './old-shop.ts'
import { type Shop, startShop, whyNot } from './servers.ts'

const ROWS = 10_000
const NEW = 20
/** Columns that nothing of this may change. */
const OTHERS = 'ID, ID_Cust, OwnerName, Address, Encrypted, CardSafe, WhenEnc'

const why = whyNoPhp() || whyNot('mariadb')
if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
if (why) t.pass('an old shop moves', { skip: why })
else await withShop((...parts) => t.test('When an old shop moves, then', t => moves(t, ...parts)))

interface Place {
  readonly home: string
  readonly processes: Processes
  readonly shop: Shop
}

async function withShop(use: (place: Place) => Promise<unknown>): Promise<void> {
  const [home, data] = [await temporaryDirectory(), await temporaryDirectory()]
  const card = await flashCard(data.path, '')
  const processes = await startProcesses(data.path)
  const shop = await startShop('mariadb')
  t.teardown(async () => {
    await processes.appliance.close()
    await processes.stop()
    await shop.stop()
    await Promise.all([home.remove(), data.remove()])
  })
  await processes.appliance.provision(card)
  await use({ home: home.path, processes, shop })
}

async function moves(t: Test, { home, processes: { appliance }, shop }: Place): Promise<void> {
  const admin = await appliance.connect(appliance.admin)
  const { publicKey } = (await admin.createKey('orders')).versions[0]!
  for (const profile of [appliance.admin, await appliance.enrol('mover', 'operator')])
    await writeProfile(home, profile)
  const tillProfile = await appliance.enrol('till', 'operator', ['orders'])
  await writeProfile(home, tillProfile)
  const till = await appliance.connect(tillProfile)
  const run = runner(home)
  const count = async (where: string) =>
    Number((await shop.run(`SELECT count(*) FROM cust_cards WHERE ${where}`))[0]![0])
  const others = async () => JSON.stringify(await shop.run(`SELECT ${OTHERS} FROM cust_cards ORDER BY ID`))

  const old = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const [pem, publicPem] = [join(home, 'private.pem'), join(home, 'public.pem')]
  writeFileSync(pem, old.privateKey)
  writeFileSync(publicPem, old.publicKey)
  const plain = cards(ROWS + NEW)
  await shop.run(TABLE)
  for (const statement of oldRows(publicPem, ROWS)) await shop.run(statement)
  const before = await others()
  const [[oldText] = []] = await shop.run('SELECT CardNum FROM cust_cards WHERE ID = 77')

  await t.test('its key is imported, and the file destroyed', async t => {
    const payload = '--payload=-,card.number,-,card.expiry'
    const imported = await run([
      'admin',
      'key',
      'import',
      'old-cards',
      '--file',
      pem,
      payload,
      '--as',
      'owner',
    ])
    t.match(imported, { status: 0, stdout: /old-cards: RSA 2048, legacy/ }, imported.stderr)
    rmSync(pem)
    t.notOk(existsSync(pem), 'only the device has it')
    await admin.addGrant({
      agent: 'mover',
      key: 'old-cards',
      target: 'orders',
      fields: ['card.*'],
      purposes: ['move'],
      reveal: ['rewrap'],
      budgets: [],
      hours: null,
    })
  })

  const into = { 'card.number': 'CardNum', 'card.expiry': 'CardExp' }
  const legacy = { CardNum: { key: 'old-cards', into } }
  const mapping = (name: string, table: object) => {
    const path = join(home, name)
    const tables = { cust_cards: { key: ['ID'], ...table } }
    writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey, tables }))
    return path
  }
  const rewrap = ['shop', 'rewrap', mapping('move.map', { legacy }), '--purpose', 'move', '--as', 'mover']

  await t.test(
    'its rows become tokens that fit a column of 127 characters, and nothing else changes',
    async t => {
      const started = performance.now()
      const moved = await run(rewrap)
      t.comment(`${ROWS} rows in ${((performance.now() - started) / 1000).toFixed(1)} s`)
      t.match(moved, { status: 0, stdout: /cust_cards +10000 +10000 +0 / }, moved.stderr)
      await shop.run(
        'ALTER TABLE cust_cards MODIFY CardNum varchar(127) CHARACTER SET ascii COLLATE ascii_bin',
      )
      const left = `CardNum NOT LIKE 'clv1.x.orders.1.%' OR CardExp NOT LIKE 'clv1.x.orders.1.%' OR CardExp IS NULL`
      t.equal(await count(left), 0, 'no old text is left')
      t.equal(await others(), before)
    },
  )

  await t.test('every row opens to its number and expiry, for a charge', async t => {
    t.same(
      await openAll(till, shop, ROWS),
      plain.slice(0, ROWS).map(([number, expiry]) => [number, expiry]),
    )
    const [[token] = []] = await shop.run('SELECT CardNum FROM cust_cards WHERE ID = 77')
    const place = ['--purpose', 'charge', '--record', 'cust_cards/77', '--field', 'card.number']
    const charged = await run(['open', '--as', 'till', ...place, String(token)])
    t.same(charged, { status: 0, stdout: `${plain[76]![0]}\n`, stderr: '' })
  })

  await t.test('the verification code is nowhere', async t => {
    // A token has room for its value and for nothing beside it (docs/formats/envelope.md, "Token").
    const room = (bytes: number) => 'clv1.x.orders.1.'.length + Math.ceil(((32 + bytes + 16) * 4) / 3)
    t.equal(await count(`length(CardNum) <> ${room(16)} OR length(CardExp) <> ${room(5)}`), 0)
    const context = { field: 'card.cvv', record: 'cust_cards/77' }
    const [[token] = []] = await shop.run('SELECT CardNum FROM cust_cards WHERE ID = 77')
    const items = [
      { ciphertext: String(token), context },
      // Out of an old backup, as a thief would have it.
      { ciphertext: String(oldText), key: 'old-cards', context },
    ]
    const { results } = await till.decrypt({ purpose: 'charge', items })
    t.same(results, Array(2).fill({ error: { code: 'forbidden-field' } }))
  })

  await t.test('what PHP seals from then on lies beside them and opens', async t => {
    for (let i = 0; i < NEW; i++) await shop.run(`INSERT INTO cust_cards (ID_Cust) VALUES (${i + 1})`)
    for (const statement of newCards(publicKey, ROWS + 1, ROWS + NEW)) await shop.run(statement)
    t.same(
      await openAll(till, shop, ROWS + NEW),
      plain.map(([number, expiry]) => [number, expiry]),
    )
    t.match(
      await run(rewrap),
      { status: 0, stdout: /cust_cards +10020 +0 +10020 / },
      'nothing is left to move',
    )
    const sealed = { CardNum: 'card.number', CardExp: 'card.expiry' }
    const checked = await run(['shop', 'check', mapping('after.map', { sealed }), '--versions'])
    t.match(checked, { status: 0, stdout: /cust_cards\.CardNum +orders@1: 10020 +0 +0/ }, checked.stderr)
  })
}

/** Number and expiry of each row, through the appliance. */
async function openAll(till: Appliance, { run }: Shop, rows: number): Promise<[string, string][]> {
  const found = await run('SELECT ID, CardNum, CardExp FROM cust_cards ORDER BY ID')
  if (found.length !== rows) throw new Error(`there are ${found.length} rows`)
  const items = found.flatMap(([id, number, expiry]) => [
    { ciphertext: String(number), context: { field: 'card.number', record: `cust_cards/${id}` } },
    { ciphertext: String(expiry), context: { field: 'card.expiry', record: `cust_cards/${id}` } },
  ])
  const values: string[] = []
  for (let from = 0; from < items.length; from += MAX_ITEMS) {
    const { results } = await till.decrypt({ purpose: 'charge', items: items.slice(from, from + MAX_ITEMS) })
    values.push(...results.map(({ value, error }) => value ?? `${error?.code}`))
  }
  return found.map((_, i) => [values[2 * i]!, values[2 * i + 1]!])
}
