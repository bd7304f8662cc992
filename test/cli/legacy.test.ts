/**
 * From a table of 2005 to tokens: a shop's old key is imported, its rows are rewrapped, the code is gone, and the old key
 * comes to its end. The commands are programs, the appliance three processes, the old rows PHP's where that is installed.
 */
import { spawnSync } from 'node:child_process'
import { constants, generateKeyPairSync, type KeyObject, publicEncrypt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { readKeyFile } from '../../host-agent/cli/keys/key-file.ts'
import type { Terminal } from '../../host-agent/cli/terminal.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { runner } from './run.ts'

const home = await temporaryDirectory()
const data = await temporaryDirectory()
const card = await flashCard(data.path, '')
const processes = await startProcesses(data.path)
const { appliance } = processes
t.teardown(async () => {
  await appliance.close()
  await processes.stop()
  await Promise.all([home.remove(), data.remove()])
})
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
await admin.createKey('orders')
await admin.changeSettings({ tries: { free: 100, first: 1, longest: 60 } })
const profiles = [
  appliance.admin,
  await appliance.enrol('till', 'operator', ['orders']),
  await appliance.enrol('mover', 'operator'),
]
for (const profile of profiles) await writeProfile(home.path, profile)
const till = await appliance.connect(profiles[1]!)
const mover = await appliance.connect(profiles[2]!)
const run = runner(home.path)

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string
const file = (name: string, content: string) => {
  const path = join(home.path, name)
  writeFileSync(path, content)
  return path
}
const PEM = file('private.pem', pem)
const PASSWORD = 'a passphrase of the file'
const encrypted = privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: PASSWORD,
})
const ENCRYPTED = file('encrypted.pem', encrypted as string)
const PAYLOAD = ['--payload=-,card.number,-,card.expiry']
const IMPORT = ['admin', 'key', 'import']

/** As `openssl_public_encrypt($data, $crypted, $key)` and `base64_encode` do. */
function encryptAll(payloads: readonly string[], charset: 'UTF-8' | 'ISO-8859-1' = 'UTF-8'): string[] {
  const script = `
$given = json_decode(stream_get_contents(STDIN), true);
foreach ($given['payloads'] as $payload) {
  openssl_public_encrypt(iconv('UTF-8', $given['charset'], $payload), $crypted, $given['pem']);
  echo base64_encode($crypted), "\\n";
}`
  const input = JSON.stringify({ payloads, charset, pem: publicKey.export({ type: 'spki', format: 'pem' }) })
  const { status, stdout } = spawnSync('php', ['-r', script], { input, encoding: 'utf8' })
  if (status === 0) return stdout.trim().split('\n')
  t.comment('php is not on this machine: node encrypts instead')
  const padding = constants.RSA_PKCS1_PADDING
  return payloads.map(payload =>
    publicEncrypt(
      { key: publicKey, padding },
      Buffer.from(payload, charset === 'UTF-8' ? 'utf8' : 'latin1'),
    ).toString('base64'),
  )
}

t.test('When the command makes no sense, then it says so, and nothing is imported', async t => {
  const cases: [args: string[], status: number, message: RegExp][] = [
    [[...IMPORT, 'old'], 2, /--file is missing/],
    [[...IMPORT, 'old', '--file', PEM], 2, /--payload is missing/],
    [
      [...IMPORT, 'old', '--file', PEM, '--payload', 'card.number,card.cvv'],
      2,
      /card\.cvv must never be stored/,
    ],
    [[...IMPORT, 'old', '--file', PEM, ...PAYLOAD, '--charset', 'latin9'], 2, /there is no charset latin9/],
    [[...IMPORT, 'old', '--file', PEM, ...PAYLOAD, '--label', 'x'], 2, /--label is for OAEP/],
    [[...IMPORT, 'old', '--file', 'owner.json', ...PAYLOAD], 1, /does not give a private key/],
    [['admin', 'key', 'minimum', 'orders'], 2, /--version is missing/],
    [['admin', 'key', 'retire', 'orders', '--days', '31'], 2, /--days takes a number from 1 to 30/],
    [['admin', 'key', 'create', 'x', '--days', '3'], 2, /--days is for admin key retire/],
  ]
  for (let i = 0; i < cases.length; i += 4)
    await Promise.all(
      cases.slice(i, i + 4).map(async ([args, status, message]) => {
        const result = await run([...args, '--as', 'owner'])
        t.match(result, { status, stdout: '', stderr: message }, `${message}`)
      }),
    )
  t.same((await admin.listKeys()).keys.length, 1)
})

t.test(
  'When a file holds no key that can be imported, then it says why, and never what it holds',
  async t => {
    const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string
    const bad: Record<string, [content: string, error: { message: RegExp }, descriptor?: string]> = {
      ec: [
        pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
        { message: /is not an RSA key/ },
      ],
      pss: [
        pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).privateKey),
        { message: /is not an RSA/ },
      ],
      small: [
        pemOf(generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey),
        { message: /has 512 bits/ },
      ],
      public: [
        publicKey.export({ type: 'spki', format: 'pem' }) as string,
        { message: /does not give a private key/ },
      ],
      empty: ['', { message: /does not give/ }],
      large: ['x'.repeat(20_000), { message: /too large/ }],
      wrong: [encrypted as string, { message: /does not give/ }, 'wrong'],
      without: [pem, { message: /has no passphrase/ }, 'given'],
    }
    const surroundings = (secret = '') => ({
      terminal: { secret: async () => secret } as unknown as Terminal,
    })
    for (const [name, [content, error, given]] of Object.entries(bad))
      await t.rejects(readKeyFile(file(`${name}.pem`, content), given, surroundings(given)), error, name)
    await t.rejects(readKeyFile('nowhere', undefined, surroundings()), { message: /cannot be read: ENOENT/ })
    t.match(await readKeyFile(ENCRYPTED, '3', surroundings(PASSWORD)), { bits: 1024, isWeak: true })
    t.match(await readKeyFile(PEM, undefined, surroundings()), { bits: 1024, isWeak: true })
  },
)

t.test(
  'When a table of old rows is moved, then its tokens fit the column, and the code is nowhere',
  async t => {
    const database = new DatabaseSync(':memory:')
    database.exec(
      'CREATE TABLE cust_cards (id INTEGER, card TEXT, expiry TEXT CHECK (length(expiry) <= 127))',
    )
    const numbers = Array.from({ length: 250 }, (_, i) => `4000${String(i).padStart(12, '0')}`)
    const old = encryptAll(numbers.map((number, i) => `\t${number}\t${700 + (i % 300)}\t${(i % 12) + 1}/28`))
    const insert = database.prepare('INSERT INTO cust_cards (id, card) VALUES (?, ?)')
    for (const [id, text] of old.entries()) insert.run(id, text)

    const imported = await run([...IMPORT, 'old-cards', '--file', PEM, ...PAYLOAD])
    t.match(imported, {
      status: 0,
      stdout: /old-cards: RSA 1024, legacy, for payloads of - \(dropped\), card\.number/,
    })
    t.match(imported.stderr, /a key of 1024 bits is weak/)
    t.match(imported.stderr, /hint: then destroy .*private\.pem/)

    const MAY = [
      'admin',
      'grant',
      'add',
      'mover',
      '--key',
      'old-cards',
      '--field',
      'card.*',
      '--purpose',
      'move',
    ]
    const granted = await run([...MAY, '--reveal', 'rewrap', '--target', 'orders'])
    t.match(granted, { status: 0, stdout: /mover may seal again, under orders, card\.\*/ })
    t.match(await run(['admin', 'grant', 'list']), { stdout: /rewrap to orders/ })

    const rows = database.prepare('SELECT id, card FROM cust_cards').all() as { id: number; card: string }[]
    const update = database.prepare('UPDATE cust_cards SET card = ?, expiry = ? WHERE id = ?')
    const started = performance.now()
    for (let from = 0; from < rows.length; from += 100) {
      const part = rows.slice(from, from + 100)
      const items = part.map(({ id, card }) => ({
        ciphertext: card,
        key: 'old-cards',
        context: { record: `cust_cards/${id}` },
        ref: `${id}`,
      }))
      const { results } = await mover.rewrap({ purpose: 'move', target: 'orders', items })
      for (const { ref, tokens } of results) update.run(tokens![0]!.token, tokens![1]!.token, Number(ref))
    }
    t.comment(`${rows.length} rows in ${Math.round(performance.now() - started)} ms`)
    const moved = database.prepare('SELECT id, card, expiry FROM cust_cards').all() as Record<
      string,
      string
    >[]
    t.ok(
      moved.every(
        ({ card, expiry }) => card!.startsWith('clv1.x.orders.1.') && card!.length <= 127 && expiry,
      ),
    )
    const { card, expiry } = moved[77]!
    const OPEN = ['open', '--as', 'till', '--purpose', 'charge', '--record', 'cust_cards/77']
    t.same(await run([...OPEN, '--field', 'card.number', card!]), {
      status: 0,
      stdout: `${numbers[77]}\n`,
      stderr: '',
    })
    const place = { field: 'card.expiry', record: 'cust_cards/77' }
    const sealed = { purpose: 'charge', items: [{ ciphertext: expiry!, context: place }] }
    t.same((await till.decrypt(sealed)).results, [{ value: '6/28' }])
    const ungranted = {
      purpose: 'charge',
      items: [{ ciphertext: old[77]!, key: 'old-cards', context: place }],
    }
    t.same((await till.decrypt(ungranted)).results, [{ error: { code: 'not-granted' } }])

    await admin.addGrant({
      agent: 'till',
      key: 'old-cards',
      fields: ['*'],
      purposes: ['charge'],
      reveal: ['last4'],
      budgets: [],
      hours: null,
    })
    const wrapped = old[77]!.replace(/.{64}/g, '$&\n')
    const last4 = await run([...OPEN, '--field', 'card.number', '--reveal', 'last4', '--key', 'old-cards'], {
      stdin: wrapped,
    })
    t.match(last4, { status: 0, stdout: `${numbers[77]!.slice(-4)}\n` })
    t.match(await run([...OPEN, '--field', 'card.number', old[77]!]), {
      status: 1,
      stderr: /hint: .*needs --key/,
    })
    const log = (await run(['admin', 'audit', 'tail', '-n', '20'])).stdout
    t.match(log, /sealed again card\.number card\.expiry/)
    t.match(log, /imported the key old-cards/)
    t.notMatch(log, numbers[77]!)
  },
)

t.test('When names were encrypted in ISO-8859-1, then their tokens hold them in UTF-8', async t => {
  const name = 'Zoë Müller'
  const [old = ''] = encryptAll([`${name}\t1`], 'ISO-8859-1')
  const form = ['--payload=customer.name,-', '--charset', 'ISO-8859-1']
  t.match(await run([...IMPORT, 'old-names', '--file', PEM, ...form]), { status: 0 })
  t.match(await run([...IMPORT, 'as-utf-8', '--file', PEM, form[0]!]), { status: 0 })
  t.equal((await admin.showKey('old-names')).legacy!.charset, 'iso-8859-1')
  t.notOk('charset' in (await admin.showKey('as-utf-8')).legacy!)
  const grant = { agent: 'mover', target: 'orders', fields: ['customer.*'], purposes: ['move'] }
  for (const key of ['old-names', 'as-utf-8'])
    await admin.addGrant({ ...grant, key, reveal: ['rewrap'], budgets: [], hours: null })
  const context = { record: 'customers/7' }
  const items = ['old-names', 'as-utf-8'].map(key => ({ ciphertext: old, key, context }))
  const { results } = await mover.rewrap({ purpose: 'move', target: 'orders', items })
  t.match(results, [{ tokens: [{ field: 'customer.name' }] }, { error: { code: 'open-failed' } }])
  await admin.addGrant({
    ...{ agent: 'till', key: 'orders', fields: ['customer.*'], purposes: ['ship'] },
    ...{ reveal: ['full'], budgets: [], hours: null },
  })
  const place = ['--purpose', 'ship', '--record', 'customers/7', '--field', 'customer.name']
  const opened = await run(['open', '--as', 'till', ...place, results[0]!.tokens![0]!.token])
  t.same(opened, { status: 0, stdout: `${name}\n`, stderr: '' })
})

t.test(
  'When the old key has done its work, then it is retired, and can be taken back for some days',
  async t => {
    t.equal((await admin.showKey('old-cards')).versions[0]!.opened!.count, 251)
    const retired = await run(['admin', 'key', 'retire', 'old-cards', '--days', '3'])
    t.match(retired, { status: 0, stdout: /old-cards .* no, deleted \d{4}-/ })
    t.match(retired.stderr, /hint: claviger admin key undelete/)
    t.match(await run(['admin', 'key', 'undelete', 'old-cards']), {
      status: 0,
      stdout: /old-cards +old values +1 +\S+ +yes +251 +\S+ +RSA 1024, legacy/,
    })
    await admin.rotateKey('orders')
    t.match(await run(['admin', 'key', 'minimum', 'orders', '--version', '2']), {
      status: 0,
      stdout: /orders +fields +1 +\S+ +no, below 2/,
      stderr: /openings are counted since/,
    })
    const again = [...IMPORT, 'again', '--file', ENCRYPTED, ...PAYLOAD, '--passphrase-fd', '3']
    t.match(await run(again, { secret: PASSWORD }), { status: 0, stdout: /again: RSA 1024/ })
  },
)
