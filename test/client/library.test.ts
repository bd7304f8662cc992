/**
 * Walks docs/client.md as a developer outside of this repository: the library is installed by npm in a project of its own, every example of the page is
 * checked with its types and run as it stands there, against an appliance of three processes, over the LAN and through an agent.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { makeLibrary, packLibrary } from '../../host-agent/package/library/library.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { startAgent } from '../support/agent.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory, WIDE } from '../support/appliance.ts'
import { missing } from '../support/programs.ts'

t.setTimeout(200_000)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CARD = '4111111111111111'
const PLACE = { field: 'card.number', record: 'cust_cards/42' }

const chapter = readFileSync(join(ROOT, 'docs/client.md'), 'utf8')
const examples = new Map(
  [...chapter.matchAll(/^## ([^\n]+)\n(?:(?!## )[^\n]*\n)*?```ts\n([\s\S]*?)^```$/gm)].map(
    ([, title, code]) => [title!, code!],
  ),
)

const folder = await temporaryDirectory()
t.teardown(() => folder.remove())
const at = (...path: string[]) => join(folder.path, ...path)
const home = at('enrolments')
const shop = at('shop')

function start(cwd: string, command: string, ...args: string[]) {
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(command, args, { cwd, env: { ...env, CLAVIGER_HOME: home } })
  child.stdin.on('error', () => {})
  return child
}
async function run(cwd: string, command: string, args: string[], stdin = '') {
  const child = start(cwd, command, ...args)
  child.stdin.end(stdin)
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (process.env.SHOW) t.comment(`$ ${args.join(' ')}\n${stdout}${stderr}`)
  return { status, stdout, stderr }
}
/** An empty project that has installed something. */
async function project(name: string, what: string) {
  mkdirSync(at(name))
  writeFileSync(at(name, 'package.json'), '{ "type": "module", "private": true }')
  return run(at(name), 'npm', ['install', '--offline', '--no-audit', '--no-fund', what])
}
const left = new Set(examples.keys())
const fileOf = (title: string) => `${title.toLowerCase().replaceAll(/\W+/g, '-')}.ts`
/** Runs the example below a heading of the page. */
async function example(title: string, args: string[] = [], stdin = '') {
  left.delete(title)
  const { status, stdout, stderr } = await run(shop, process.execPath, [fileOf(title), ...args], stdin)
  if (status !== 0) throw new Error(`${title}: ${stderr}`)
  return stdout
}

const library = await makeLibrary('1.2.3')
const file = at('claviger-1.2.3.tgz')
writeFileSync(file, packLibrary(library, 1_750_000_000))

const skip = missing('npm', '--version')
t.test('When the library is installed from its file, then', { skip }, async t => {
  const data = await temporaryDirectory()
  const pair = await openSerialPair({ dir: data.path })
  const card = await flashCard(data.path, '')
  const processes = await startProcesses(data.path, { serial: pair.device })
  const { appliance } = processes
  t.teardown(async () => {
    await appliance.close()
    await processes.stop()
    await pair.close()
    await data.remove()
  })
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  const { publicKey } = (await admin.createKey('orders')).versions[0]!
  await admin.createKey('desk', 'x', 'derive')
  const till = await appliance.enrol('till', 'operator', ['orders'], PIN)
  await admin.addGrant({ ...WIDE, agent: 'till', key: 'orders', reveal: ['last4'] })
  await admin.addGrant({ ...WIDE, agent: 'till', key: 'desk', reveal: ['derive'] })
  const once = { per: 'minute' as const, records: null, operations: 1, alarm: false }
  await admin.addGrant({ ...WIDE, agent: 'till', key: 'orders', purposes: ['support'], budgets: [once] })
  await writeProfile(home, till)

  t.match(await project('shop', file), { status: 0, stdout: /added 1 package\b/ })
  for (const [title, code] of examples)
    writeFileSync(join(shop, fileOf(title)), code.replace('clvp1:x:default:orders:1:…', publicKey))
  const seal = sealer(publicKey)
  const phone = (id: number) => seal({ field: 'phone.number', record: `customers/${id}` }, `+46 ${id}`)
  writeFileSync(join(shop, 'token'), `${seal(PLACE, CARD)}\n`)

  await t.test('every example has its types, and what is not for users has no name', async t => {
    mkdirSync(join(shop, 'node_modules/@types'))
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(ROOT, 'node_modules', name), join(shop, 'node_modules', name))
    const compilerOptions = {
      ...{ target: 'es2024', module: 'nodenext', types: ['node'], noEmit: true },
      // the library's declarations are looked at as well
      ...{
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
      },
    }
    writeFileSync(
      join(shop, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: [...examples.keys()].map(fileOf) }),
    )
    t.match(await run(shop, join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.']), { status: 0, stdout: '' })
    writeFileSync(
      join(shop, 'wrong.ts'),
      "import { connectEnrolled } from 'claviger/client'\nimport { Caller } from 'claviger/client/caller.ts'\n" +
        "const device = await connectEnrolled('till')\nawait device.decrypt({ purpose: 1, items: [] })\nnew Caller()\n",
    )
    const { stdout } = await run(shop, join(ROOT, 'node_modules/.bin/tsc'), [
      ...['--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--noEmit', '--ignoreConfig'],
      'wrong.ts',
    ])
    t.match(stdout, /Cannot find module 'claviger\/client\/caller.ts'/)
    t.match(stdout, /Type 'number' is not assignable to type 'string'/)
  })

  await t.test('it connects, and unlocks with a PIN', async t => {
    t.equal(await example('Connect'), 'test device is operational\n')
    await admin.lock()
    t.equal(await example('Unlock', [], `${PIN}\n`), 'operational\n')
    t.ok(existsSync(join(home, 'till.checkpoint')), 'and remembers how far the log was')
  })
  await t.test('it opens one field and more than a request takes', async t => {
    t.match(await example('Open a field'), /^1111\nentry \d+ of the log\n$/)
    const rows = Array.from({ length: 1001 }, (_, id) => ({ id, phone: id === 7 ? phone(8) : phone(id) }))
    writeFileSync(join(shop, 'rows.json'), JSON.stringify(rows))
    const lines = (await example('Open many')).trimEnd().split('\n')
    t.same(
      lines,
      rows.map(({ id }) => (id === 7 ? '7 open-failed' : `${id} +46 ${id}`)),
    )
  })
  await t.test('it lists keys and budgets, and derives what the other side has', async t => {
    const told = await example('Keys, and what is left')
    t.ok(told.includes(`orders fields ${publicKey}\n`))
    t.match(told, /^desk derive clvp1:x:default:desk:1:/m)
    t.match(told, /^support minute \{ records: null, operations: 1 \}$/m)
    t.equal(await example('Derive'), 'true\n')
  })
  await t.test('it is told refusals, and when to come back', async t => {
    t.equal(await example('When it refuses', [phone(1)]), '', 'the budget has room for one')
    t.match(await example('When it refuses', [phone(1)]), /^over-budget: try again in \d{1,2} s\n$/)
    await admin.lock()
    t.equal(await example('When it refuses', [phone(1)]), 'somebody has to unlock it first: it is locked\n')
  })
  await t.test('it watches the state over a gate that dies', async t => {
    left.delete('When the connection is lost')
    const watching = start(shop, process.execPath, fileOf('When the connection is lost'))
    const ended = new Promise<number | null>(resolve => watching.once('close', resolve))
    let said = ''
    watching.stderr.on('data', piece => t.fail(`${piece}`))
    const locked = new Promise<void>(resolve =>
      watching.stdout.on('data', piece => {
        said += piece
        if (said === 'locked\n') resolve()
      }),
    )
    await locked
    const restarted = processes.line(/gate answers on serial/)
    process.kill(processes.pidOf('gate'), 'SIGKILL')
    await restarted
    const client = await appliance.connect(till)
    // this may be sent again, while the new gate does not know its callers yet
    await client.status()
    await client.unlock({ pin: PIN, hostShare: till.hostShare! })
    t.equal(await ended, 0)
    t.equal(said, 'locked\noperational\n')
  })
  await t.test('it reaches a dongle through the agent', async t => {
    const agent = await startAgent(home, [pair.host])
    t.teardown(() => agent.stop())
    await agent.line(/is operational; enrolled as till/)
    t.match(
      await example('A dongle, through the agent'),
      /^([0-9a-f]{16}) operational is well\nusb: operational\n$/,
    )
  })
  await t.test('it seals on the server', async t => {
    const [token, code] = (await example('Seal on the server')).split('\n')
    t.equal(code, 'forbidden-field')
    const client = await appliance.connect(till)
    const items = [{ ciphertext: token!, context: PLACE }]
    t.match(await client.decrypt({ purpose: 'charge', items }), { results: [{ value: CARD }] })
    t.same([...left], [], 'no example was left out')
    t.equal(examples.size, chapter.match(/^```ts$/gm)?.length, 'each has a heading of its own')
  })

  await t.test('it works from the folder of the Debian package, and from a linked checkout', async t => {
    for (const [path, content] of library.files) {
      mkdirSync(dirname(at('library', path)), { recursive: true })
      writeFileSync(at('library', path), content)
    }
    t.match(await project('linked', at('library')), { status: 0 })
    mkdirSync(at('checkout/node_modules'), { recursive: true })
    symlinkSync(ROOT, at('checkout/node_modules/claviger'))
    for (const name of ['linked', 'checkout']) {
      writeFileSync(at(name, 'seal.ts'), readFileSync(join(shop, fileOf('Seal on the server'))))
      writeFileSync(at(name, 'status.ts'), readFileSync(join(shop, fileOf('Connect'))))
      const sealed = await run(at(name), process.execPath, ['seal.ts'])
      t.match(sealed, { status: 0, stdout: /^clv1\.x\.orders\.1\.\S+\nforbidden-field\n$/ }, name)
      t.match(
        await run(at(name), process.execPath, ['status.ts']),
        { status: 0, stdout: /is operational/ },
        name,
      )
    }
  })
})

t.test('When the checkout itself is what npm installs, then Node refuses it', async t => {
  for (const path of ['package.json', 'host-agent/seal', 'protocol'])
    cpSync(join(ROOT, path), at('packed/node_modules/claviger', path), { recursive: true })
  writeFileSync(at('packed', 'seal.ts'), "import 'claviger/seal'")
  const { stderr } = await run(at('packed'), process.execPath, ['seal.ts'])
  t.match(stderr, /ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING/)
})

t.test(
  'When the same sources are packed twice, then the bytes are the same, and name no folder of the machine',
  async t => {
    const again = await makeLibrary('1.2.3')
    t.ok(Buffer.from(packLibrary(again, 1_750_000_000)).equals(readFileSync(file)))
    for (const [path, content] of library.files) t.notOk(Buffer.from(content).includes(ROOT), path)
  },
)
