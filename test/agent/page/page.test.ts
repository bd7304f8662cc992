/** The page as a browser of the staff meets it: a real agent, a device on a cable and one on the LAN, a shop's database. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'esbuild'
import t from 'tap'
import type { Enrolment, LabelsLine, Overview } from '../../../host-agent/agent/page/api.ts'
import { openSerialPair } from '../../../host-agent/cli/demo/serial-pair.ts'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { runner } from '../../cli/run.ts'
import { startAgent } from '../../support/agent.ts'
import { flashCard, PASSPHRASE, PIN, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import { bareNode } from '../../support/environment.ts'
import { events, pair, paired } from './browser.ts'

const CARD = '4242424242424242'
const PLACE = { field: 'card.number', record: 'orders/17' }
/** Resident memory of an agent whose page was used, bytes. */
const MOST_MEMORY = 120 * 1024 * 1024

t.setTimeout(150_000)

const home = await temporaryDirectory()
t.teardown(() => home.remove())
const run = runner(home.path)

/** A device with a key, an administrator, and an operator who types a PIN. */
async function device(administrator: string, operator: string, serial?: { device: string; host: string }) {
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path, serial ? { serial: serial.device } : {})
  const { appliance } = processes
  t.teardown(async () => {
    await appliance.close()
    await processes.stop()
  })
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  const { publicKey } = (await admin.createKey('orders')).versions[0]!
  const profile = await appliance.enrol(operator, 'operator', ['orders'], PIN)
  const addresses = serial ? [`serial:${serial.host}`] : appliance.addresses
  await writeProfile(home.path, { ...profile, addresses })
  await writeProfile(home.path, { ...appliance.admin, name: administrator, addresses })
  return { admin, publicKey, seal: sealer(publicKey), processes }
}

const cables = await temporaryDirectory()
t.teardown(() => cables.remove())
let cable = await openSerialPair({ dir: cables.path })
t.teardown(() => cable.close())
const dongle = await device('owner', 'desk', cable)
const lan = await device('boss', 'till')
await dongle.admin.addGrant({
  agent: 'desk',
  key: 'orders',
  fields: ['card.*'],
  purposes: ['limited'],
  reveal: ['last4'],
  budgets: [{ per: 'day', records: 2, operations: null, alarm: false }],
  hours: null,
})
// refused tries are what these tests are made of
await dongle.admin.changeSettings({ tries: { free: 1000, first: 1, longest: 60 } })
const auditor = await dongle.processes.appliance.enrol('watch', 'auditor')
await writeProfile(home.path, { ...auditor, addresses: [`serial:${cable.host}`] })

const database = new DatabaseSync(join(home.path, 'shop.db'))
database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, rest TEXT, country TEXT, item TEXT)')
for (let id = 1; id <= 30; id++) {
  const rest = JSON.stringify({ name: `Jo ${id}`, street: `Damrak ${id}` })
  const token = dongle.seal({ field: 'address.rest', record: `orders/${id}` }, rest)
  database.prepare("INSERT INTO orders VALUES (?, ?, 'NL', ?)").run(id, token, `item ${id}`)
}
database.close()
const inputs = { street: 'rest', country: 'country' }
const parts = { sealed: { rest: 'rest' }, readable: { country: 'country' } }
const mapping = {
  database: { kind: 'sqlite', file: 'shop.db' },
  publicKey: dongle.publicKey,
  tables: { orders: { key: ['id'], records: { home: { type: 'address', inputs, ...parts } } } },
}
await writeFile(join(home.path, 'shop.map'), JSON.stringify(mapping))

const port = await freePort()
await writeFile(
  join(home.path, 'settings.json'),
  JSON.stringify({ page: { port, mapping: 'shop.map', clearAfter: 10 } }),
)
const main = await bundle()
let agent = await startAgent(home.path, [cable.host], [], main)
t.teardown(() => agent.stop('SIGKILL'))
const origin = `http://127.0.0.1:${port}`
await agent.line(new RegExp(`the page of this user is at ${origin}; let a browser in with: claviger page$`))
const printed = await run(['page', '--print'])
const browser = await pair(printed.stdout.trim())
const told = events(origin, browser.token)
t.teardown(() => told.close())

const one = (overview: Overview, name: string) => overview.enrolments.find(each => each.name === name)!
const overview = async () => (await browser.get('/api/overview')).body
const enrolment = async (name: string) => one(await overview(), name)
/** Waits until the stream tells it. */
const sees = (name: string, is: Partial<Enrolment>, from = 0) =>
  told.until<Overview>(seen => {
    const found = one(seen, name) as unknown as Record<string, unknown>
    return Object.entries(is).every(([key, value]) => found?.[key] === value)
  }, from)
const item = (seal = dongle.seal, place = PLACE, value: string | Uint8Array = CARD) => ({
  ciphertext: seal(place, value),
  context: place,
})

t.test('When somebody looks, then every enrolment is there with its device and its wire', async t => {
  t.match(printed, { status: 0, stdout: new RegExp(`^${origin}/#pair=[\\w-]{32}\n$`) })
  await sees('desk', { state: 'operational', wire: 'usb' })
  await sees('till', { state: 'operational', wire: 'lan' })
  const { enrolments, strangers, tables, clearAfter } = await overview()
  t.match(
    enrolments.map(({ name, role, wire, state, asks }) => ({ name, role, wire, state, asks })),
    [
      { name: 'boss', role: 'administrator', wire: 'lan', state: 'operational', asks: 'passphrase' },
      { name: 'desk', role: 'operator', wire: 'usb', state: 'operational', asks: 'pin' },
      { name: 'owner', role: 'administrator', wire: 'usb', state: 'operational', asks: 'passphrase' },
      { name: 'till', role: 'operator', wire: 'lan', state: 'operational', asks: 'pin' },
      { name: 'watch', role: 'auditor', wire: 'usb', state: 'operational', asks: 'nothing' },
    ],
  )
  t.strictSame(strangers, [])
  t.equal(clearAfter, 10_000)
  t.strictSame(tables, [
    {
      name: 'orders',
      key: ['id'],
      sealed: [{ column: 'rest', field: 'address.rest' }],
      readable: ['country'],
      addresses: ['home'],
    },
  ])
})

t.test(
  'When a value is asked for, then it comes over either wire, and a refusal tells no more than its code',
  async t => {
    for (const [as, { seal }] of [
      ['desk', dongle],
      ['till', lan],
    ] as const) {
      const wrong = { ...item(seal), context: { ...PLACE, record: 'orders/18' } }
      const bytes = item(seal, { field: 'card.raw', record: 'orders/17' }, Uint8Array.of(255, 0))
      const items = [item(seal), wrong, bytes, { ...item(seal), ciphertext: 'clv1.x' }]
      const { status, body } = await browser.post('/api/reveal', {
        as,
        purpose: 'charge',
        reason: 'a test',
        items,
      })
      t.equal(status, 200)
      t.match(body.results, [
        { value: CARD },
        { code: 'open-failed' },
        { code: 'not-text' },
        { code: 'bad-token' },
      ])
      t.ok(Number.isInteger(body.entry))
    }
    const last4 = (id: number) => ({
      ...{ as: 'desk', purpose: 'limited', reveal: 'last4' as const },
      items: [item(dongle.seal, { ...PLACE, record: `orders/${id}` })],
    })
    const reveal = last4(1)
    t.match((await browser.post('/api/reveal', { ...reveal, reveal: 'full' })).body.results, [
      { code: 'not-granted' },
    ])
    for (let id = 1; id <= 2; id++)
      t.match((await browser.post('/api/reveal', last4(id))).body.results, [{ value: '4242' }])
    const over = await browser.post('/api/reveal', last4(3))
    t.match(over, {
      status: 429,
      body: { code: 'over-budget', free: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, hint: /room again/ },
    })
    t.match(await browser.post('/api/reveal', { ...reveal, as: 'owner' }), {
      status: 403,
      body: { code: 'wrong-role' },
    })
    t.match(await browser.post('/api/reveal', { ...reveal, as: 'nobody' }), {
      status: 503,
      body: { code: 'bad-profile' },
    })
    for (const as of ['../desk', 'DESK', '', 'settings'])
      t.ok((await browser.post('/api/reveal', { ...reveal, as })).status >= 400, as)
    const many = { ...reveal, items: Array(101).fill(item()) }
    t.match(await browser.post('/api/reveal', many), { status: 400, body: { code: 'malformed-request' } })
  },
)

t.test('When the purposes are shown, then with their fields and what is left of their budgets', async t => {
  const isUsed = (overview: Overview) =>
    one(overview, 'desk').purposes?.some(({ budgets }) => budgets[0]?.records === 0) === true
  const { purposes } = one(await told.until<Overview>(isUsed), 'desk')
  t.strictSame(
    purposes?.map(({ name }) => name),
    ['charge', 'contact', 'limited', 'ship', 'test'],
  )
  t.match(
    purposes?.find(({ name }) => name === 'limited'),
    {
      fields: ['card.*'],
      reveal: ['last4'],
      budgets: [{ per: 'day', records: 0, operations: null }],
    },
  )
  t.strictSame((await enrolment('owner')).purposes, [])
})

t.test('When rows are looked up, then they come as the database has them, and nothing is opened', async t => {
  const { body } = await browser.post('/api/look-up', { table: 'orders', keys: [['2'], ['99'], ['1']] })
  t.match(body.rows, [
    { key: ['2'], record: 'orders/2', readable: [{ column: 'country', text: 'NL' }] },
    {
      key: ['1'],
      record: 'orders/1',
      sealed: [{ column: 'rest', field: 'address.rest', ciphertext: /^clv1\./ }],
    },
  ])
  t.equal(body.rows.length, 2)
  const { sealed, record } = body.rows[0]!
  const context = { field: sealed[0]!.field, record }
  const opened = { as: 'desk', purpose: 'ship', items: [{ ciphertext: sealed[0]!.ciphertext!, context }] }
  t.match((await browser.post('/api/reveal', opened)).body.results, [{ value: /Damrak 2/ }])
  for (const [table, keys] of [
    ['customers', [['1']]],
    ['orders', [['x']]],
    ['orders', [['1', '2']]],
    ['orders', []],
  ] as const)
    t.match(await browser.post('/api/look-up', { table, keys: keys.map(key => [...key]) }), { status: 400 })
})

t.test('When labels are asked for, then they come as a page, with what was left out', async t => {
  const keys = [...Array.from({ length: 30 }, (_, i) => [String(i + 1)]), ['77']]
  const asked = {
    as: 'desk',
    purpose: 'ship',
    table: 'orders',
    keys,
    stock: '3x8',
    skip: 2,
    from: 'NL',
    packing: ['item'],
  }
  const { text, headers } = await browser.post('/api/labels', asked)
  t.match(headers['content-type'], /^application\/x-ndjson/)
  const lines = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as LabelsLine)
  t.match(lines[0], { is: 'progress', done: 0, total: 31 })
  const page = lines.at(-1) as Extract<LabelsLine, { is: 'page' }>
  t.match(page, {
    is: 'page',
    labels: 30,
    leftOut: [{ record: 'orders/77', reason: 'there is no such row' }],
  })
  t.match(page.html, />Damrak 30</)
  t.match(page.html, /item 30/)
  t.notMatch(page.html, /<script/)
  for (const [change, message] of [
    [{ stock: '9x9' }, /no sheet/],
    [{ packing: ['rest'] }, /rest is sealed/],
    [{ address: 'away' }, /no address away/],
    [{ skip: 24 }, /to skip/],
    [{ from: 'Atlantis' }, /no country/],
  ] as const)
    t.match(await browser.post('/api/labels', { ...asked, ...change } as typeof asked), {
      status: 400,
      body: { message },
    })
  const other = await browser.post('/api/labels', { ...asked, purpose: 'curiosity' })
  t.match(other.text, /"labels":0,.*"rest: not-granted"/)
})

t.test('When an operator asks for today, then it is what that operator did', async t => {
  const { body } = await browser.post('/api/today', { as: 'desk' })
  const indices = body.entries.map(({ index }) => index)
  t.strictSame(
    indices,
    [...indices].sort((a, b) => b - a),
    'newest first',
  )
  const first = body.entries.findLast(({ action }) => action === 'decrypt')
  t.match(first, {
    outcome: 'allowed',
    purpose: 'charge',
    reason: 'a test',
    items: [{ field: 'card.number', records: ['orders/17'] }, {}, {}],
  })
  t.notMatch(JSON.stringify(body), /4242|Damrak|clv1/)
})

t.test(
  'When an administrator or an auditor looks, then they see who may what, and how the device does',
  async t => {
    for (const as of ['owner', 'watch']) {
      const { body } = await browser.post('/api/admin', { as })
      t.strictSame(body.agents.map(({ name }) => name).sort(), ['desk', 'owner', 'watch'])
      t.ok(body.grants.some(({ purposes }) => purposes.includes('limited')))
      t.match(body.health, { memory: { total: Number }, log: { size: Number } })
      t.match(body.history, [{ time: Number, load: Number, memoryAvailable: Number, logSize: Number }])
    }
    t.match(await browser.post('/api/admin', { as: 'desk' }), { status: 403, body: { code: 'wrong-role' } })
  },
)

t.test(
  'When a device is locked and unlocked, then the page does both, and the device counts wrong PINs',
  async t => {
    t.match((await browser.post('/api/lock', { as: 'desk' })).body, { state: 'locked' })
    await sees('desk', { state: 'locked', purposes: null })
    t.match(await browser.post('/api/reveal', { as: 'desk', purpose: 'charge', items: [item()] }), {
      status: 412,
      body: { code: 'wrong-state', message: 'the device is locked' },
    })
    t.match((await browser.post('/api/admin', { as: 'owner' })).body, {
      agents: [],
      grants: [],
      health: { uptime: Number },
    })
    const unlock = (as: string, secret: string) => browser.post('/api/unlock', { as, secret })
    const wrong = await unlock('desk', '000000')
    t.match(wrong, { status: 403, body: { code: 'unlock-refused' } })
    t.notMatch(wrong.text, /000000/)
    t.match(await unlock('watch', 'x'), {
      status: 400,
      body: { message: 'watch was enrolled without a PIN' },
    })
    const from = told.lines.length
    t.match(await unlock('desk', PIN), { status: 200, body: { state: 'operational' } })
    await sees('desk', { state: 'operational' }, from)
    await dongle.admin.lock()
    await sees('desk', { state: 'locked' }, from)
    t.match(await unlock('owner', PASSPHRASE), { status: 200, body: { state: 'operational' } })
    t.match(await browser.post('/api/reveal', { as: 'desk', purpose: 'charge', items: [item()] }), {
      body: { results: [{ value: CARD }] },
    })
  },
)

t.test('When the cable is pulled, then a value is not had, and once it is back nothing was lost', async t => {
  let from = told.lines.length
  const asked = browser.post('/api/reveal', { as: 'desk', purpose: 'charge', items: Array(100).fill(item()) })
  await cable.close()
  const answer = await asked
  t.ok([200, 503].includes(answer.status), 'whole, or not at all')
  t.equal(
    answer.status === 200 ? answer.body.results.length : answer.body.code,
    answer.status === 200 ? 100 : 'unreachable',
  )
  await sees('desk', { state: null, wire: null }, from)
  const began = performance.now()
  const refused = await browser.post('/api/reveal', { as: 'desk', purpose: 'charge', items: [item()] })
  t.match(refused, { status: 503, body: { code: 'unreachable', hint: /\w/ } })
  t.ok(performance.now() - began < 8000)
  t.match(await enrolment('till'), { state: 'operational' }, 'the others are there')
  from = told.lines.length
  cable = await openSerialPair({ dir: cables.path })
  await sees('desk', { state: 'operational', wire: 'usb' }, from)
  t.match(
    (await browser.post('/api/reveal', { as: 'desk', purpose: 'charge', items: [item()] })).body.results,
    [{ value: CARD }],
  )
})

t.test(
  'When somebody panics, then any enrolment locks the device down, and the administrator lifts it',
  async t => {
    t.match((await browser.post('/api/lockdown', { as: 'watch' })).body, { state: 'lockdown' })
    await sees('owner', { state: 'lockdown' })
    t.match(await browser.post('/api/unlock', { as: 'desk', secret: PIN }), {
      status: 412,
      body: { code: 'wrong-state' },
    })
    const lift = (as: string, passphrase: string) => browser.post('/api/lift', { as, passphrase })
    t.match(await lift('desk', PASSPHRASE), { status: 403, body: { code: 'wrong-role' } })
    t.match(await lift('owner', 'wrong one'), { status: 403, body: { code: 'unlock-refused' } })
    t.match((await lift('owner', PASSPHRASE)).body, { state: 'locked' })
  },
)

t.test('When the page was used for all that, then the agent still is small', t => {
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))![1]) * 1024
  t.comment(`peak of the agent's resident memory: ${Math.round(peak / 1024 / 1024)} MB`)
  t.ok(peak <= MOST_MEMORY)
  t.end()
})

t.test(
  'When the agent waits for a PIN on its terminal, then unlocking from the page ends the question',
  async t => {
    t.equal(await agent.stop(), 0)
    t.match(await run(['page']), {
      status: 1,
      stderr: /no claviger agent of this user runs\nhint: start it: claviger agent/,
    })
    const [node, args] = bareNode(
      join(import.meta.dirname, '../../../host-agent/cli/main.ts'),
      ...['agent', '--port', cable.host],
    )
    // script gives the agent a terminal of its own
    const typist = spawn('script', ['-qec', [node, ...args].map(arg => `'${arg}'`).join(' '), '/dev/null'], {
      env: { ...process.env, CLAVIGER_HOME: home.path },
    })
    t.teardown(() => typist.kill('SIGKILL'))
    let screen = ''
    typist.stdout.on('data', chunk => {
      screen += chunk
    })
    const says = async (pattern: RegExp) => {
      while (!pattern.test(screen)) await once(typist.stdout, 'data')
    }
    await says(/PIN of desk for \w+: $/)
    const again = paired(origin, browser.token)
    t.equal((await again.get('/api/overview')).status, 200, 'the browser is still let in')
    t.match((await again.post('/api/unlock', { as: 'desk', secret: PIN })).body, { state: 'operational' })
    await says(/the device is operational/)
    screen = ''
    typist.stdin.write('000000\r')
    await sleep(300)
    t.notMatch(screen, /was not unlocked|PIN of/, 'what is typed now is no try')
    typist.stdin.write('\x03')
    await once(typist, 'exit')
  },
)

t.test('When there is no page, or its port is taken, then the agent says so and goes on', async t => {
  agent = await startAgent(home.path, [], ['--no-page'])
  t.match(await run(['page', '--print']), {
    status: 1,
    stderr: /started without its page\nhint: start it without --no-page/,
  })
  t.match(await run(['status', '--as', 'till']), { status: 0 })
  t.equal(await agent.stop(), 0)
  const squatter = createServer(socket => socket.destroy()).listen(port, '127.0.0.1')
  await once(squatter, 'listening')
  agent = await startAgent(home.path, [])
  await agent.line(
    /the page cannot be served on 127\.0\.0\.1:\d+: another program has the port.*goes on without its page/,
  )
  t.match(await run(['page', '--print']), { status: 1, stdout: '', stderr: /another program has the port/ })
  t.equal(await agent.stop(), 0)
  squatter.close()
})

/** The command line as a package has it: with types, stripping them is what most of an agent's memory is for. */
async function bundle(): Promise<string> {
  const root = join(import.meta.dirname, '../../..')
  const out = await temporaryDirectory()
  t.teardown(() => out.remove())
  await symlink(join(root, 'node_modules'), join(out.path, 'node_modules'))
  await build({
    entryPoints: [join(root, 'host-agent/cli/main.ts')],
    outdir: out.path,
    outExtension: { '.js': '.mjs' },
    ...{
      bundle: true,
      splitting: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    },
  })
  return join(out.path, 'main.mjs')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
