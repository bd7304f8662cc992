/** `claviger shop rewrap` with an appliance of three processes: plaintext is never in the database, nor in what the command holds. */
import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { runner, starter } from '../../cli/run.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import { startShop } from './servers.ts'

const ROWS = 450
const home = await temporaryDirectory()
const data = await temporaryDirectory()
const card = await flashCard(data.path, '')
const processes = await startProcesses(data.path)
const { appliance } = processes
const shop = await startShop('sqlite')
t.teardown(async () => {
  await appliance.close()
  await processes.stop()
  await shop.stop()
  await Promise.all([home.remove(), data.remove()])
})
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
await admin.changeSettings({ tries: { free: 100, first: 1, longest: 60 } })
const first = (await admin.createKey('cards')).versions[0]!.publicKey
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
for (const profile of [appliance.admin, await appliance.enrol('mover', 'operator')])
  await writeProfile(home.path, profile)
const till = await appliance.enrol('till', 'operator', ['cards'])
const run = runner(home.path)
const start = starter(home.path)
const pem = join(home.path, 'old.pem')
writeFileSync(pem, privateKey.export({ type: 'pkcs8', format: 'pem' }))
const payload = '--payload=-,card.number,-,card.expiry'
const imported = await run(['admin', 'key', 'import', 'old-cards', '--file', pem, payload, '--as', 'owner'])
if (imported.status !== 0) throw new Error(imported.stderr)
const numberOf = (id: number) => `4000${String(id).padStart(12, '0')}`

await shop.run('CREATE TABLE cards (id integer PRIMARY KEY, cc text, expiry text, note text)')
for (let id = 1; id <= ROWS; id++) {
  const payload = Buffer.from(`\t${numberOf(id)}\t123\t12/28`)
  const old = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, payload)
  const note = sealer(first)({ field: 'card.note', record: `cards/${id}` }, `note ${id}`)
  const cc = id === 7 ? 'AAAA' : old.toString('base64').replace(/.{64}/g, '$&\n')
  await shop.run('INSERT INTO cards VALUES (?, ?, NULL, ?)', id, cc, note)
}

function mapping(key: string): string {
  const path = join(home.path, `${key.split(':')[4]}.map`)
  const legacy = { cc: { key: 'old-cards', into: { 'card.number': 'cc', 'card.expiry': 'expiry' } } }
  const cards = { key: ['id'], sealed: { note: 'card.note' }, legacy }
  writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey: key, tables: { cards } }))
  return path
}

const rewrap = (key: string) => ['shop', 'rewrap', mapping(key), '--purpose', 'move', '--as', 'mover']
const count = async (what: string) =>
  Number((await shop.run(`SELECT count(*) FROM cards WHERE ${what}`))[0]![0])
const grant = (key: string) =>
  admin.addGrant({
    agent: 'mover',
    key,
    ...(key === 'cards' ? {} : { target: 'cards' }),
    fields: ['*'],
    purposes: ['move'],
    reveal: ['rewrap'],
    budgets: [],
    hours: null,
  })

t.test('When nobody may rewrap, then it stops at once and changes nothing', async t => {
  t.match(await run(rewrap(first)), { status: 1, stderr: /stopped.*\n.*no grant allows this/ })
  t.equal(await count(`cc LIKE 'clv1.%'`), 0)
})

t.test('When rows were encrypted the old way, then they become tokens of their fields', async t => {
  await grant('old-cards')
  const killed = start(rewrap(first))
  while (killed.exitCode === null && (await count(`cc LIKE 'clv1.%'`)) === 0)
    await new Promise(resolve => setTimeout(resolve, 10))
  killed.kill('SIGKILL')
  const half = `(cc LIKE 'clv1.x.cards.1.%' AND expiry IS NULL) OR (cc NOT LIKE 'clv1.%' AND expiry IS NOT NULL)`
  t.equal(await count(half), 0, 'no row is half done after a kill')
  const { status, stdout, stderr } = await run(rewrap(first))
  t.match({ status, stdout }, { status: 1, stdout: /cards +450 +\d+ / }, stderr)
  t.match(stderr, /1 row stayed as it was, not-rewrapped: cc: (open-failed|bad-token).*cards\/7/)
  t.equal(await count(`cc LIKE 'clv1.x.cards.1.%' AND expiry LIKE 'clv1.x.cards.1.%'`), ROWS - 1)
})

t.test('When the key has a newer version, then every token gets it, and opens to what it was', async t => {
  await shop.run('DELETE FROM cards WHERE id = 7')
  const second = (await admin.rotateKey('cards')).versions.at(-1)!.publicKey
  await grant('cards')
  t.match(await run(rewrap(second)), { status: 0, stdout: /cards +449 +449 +0 / })
  const newest = `cc LIKE 'clv1.x.cards.2.%' AND expiry LIKE 'clv1.x.cards.2.%' AND note LIKE 'clv1.x.cards.2.%'`
  t.equal(await count(newest), ROWS - 1)
  t.match(
    await run(rewrap(second)),
    { status: 0, stdout: /cards +449 +0 +449 / },
    'the next run finds nothing',
  )
  const [[cc, expiry, note] = []] = await shop.run('SELECT cc, expiry, note FROM cards WHERE id = 400')
  const item = (ciphertext: unknown, field: string) => ({
    ciphertext: String(ciphertext),
    context: { field, record: 'cards/400' },
  })
  await admin.addGrant({
    agent: 'till',
    key: 'cards',
    fields: ['*'],
    purposes: ['test'],
    reveal: ['full'],
    budgets: [],
    hours: null,
  })
  const items = [item(cc, 'card.number'), item(expiry, 'card.expiry'), item(note, 'card.note')]
  const opened = await (await appliance.connect(till)).decrypt({ purpose: 'test', items })
  t.same(opened.results, [{ value: numberOf(400) }, { value: '12/28' }, { value: 'note 400' }])
})

t.test('When rows are under a key file, then one run moves them to the key of the appliance', async t => {
  const secret = 'six words that nobody else has'
  const fd = ['--passphrase-fd', '3']
  const made = await run(['key', 'create', 'local:first.json', 'first', ...fd], { secret })
  t.equal(made.status, 0, made.stderr)
  const own = /clvp1:\S+/.exec(made.stdout)![0]
  await shop.run('CREATE TABLE notes (id integer PRIMARY KEY, note text)')
  for (let id = 1; id <= 30; id++)
    await shop.run(
      'INSERT INTO notes VALUES (?, ?)',
      id,
      sealer(own)({ field: 'card.note', record: `notes/${id}` }, `note ${id}`),
    )
  const { publicKey: key } = (await admin.showKey('cards')).versions.at(-1)!
  const path = join(home.path, 'notes.map')
  const notes = { key: ['id'], sealed: { note: 'card.note' } }
  writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey: key, tables: { notes } }))
  const move = ['shop', 'rewrap', path, '--purpose', 'move', '--from', 'first']
  t.match(await run([...move, '--source', 'local:first.json', ...fd], { secret: `${secret}?` }), {
    status: 1,
  })
  const moved = await run([...move, '--source', 'local:first.json', ...fd], { secret })
  t.match(moved, { status: 0, stdout: /notes +30 +30 +0 /, stderr: /risk: / })
  const [[note] = []] = await shop.run('SELECT note FROM notes WHERE id = 30')
  const context = { field: 'card.note', record: 'notes/30' }
  const items = [{ ciphertext: String(note), context }]
  const opened = await (await appliance.connect(till)).decrypt({ purpose: 'test', items })
  t.same(opened.results, [{ value: 'note 30' }])
})
