/**
 * Walks docs/api.md as a developer without our library: every fenced command as it stands there, in its order, with curl and with Python, against
 * an appliance of three processes. Only the address of the device is put in.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeCard } from '../../host-agent/client/card.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory, WIDE } from '../support/appliance.ts'
import { noteProgram, versionOf } from '../support/compatibility.ts'
import { missing } from '../support/programs.ts'

t.setTimeout(120_000)
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const PYTHON = process.env.CLAVIGER_PYTHON ?? 'python3'
const CARD = '4111111111111111'
const PLACE = { field: 'card.number', record: 'cust_cards/42' }

const chapter = readFileSync(path('docs/api.md'), 'utf8')
const fences = [...chapter.matchAll(/^```(sh|python)\n([\s\S]*?)^```$/gm)].map(([, kind, code]) => ({
  kind: kind!,
  code: code!,
}))

const [home, data] = [await temporaryDirectory(), await temporaryDirectory()]
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
const { versions } = await admin.createKey('orders')
const till = await appliance.enrol('till', 'operator', ['orders'], PIN)
await admin.addGrant({ ...WIDE, agent: 'till', key: 'orders', reveal: ['last4'] })
await admin.addGrant({ ...WIDE, agent: 'till', key: 'orders', purposes: ['rotate'], reveal: ['rewrap'] })

const folder = join(home.path, '.config/claviger')
mkdirSync(folder, { recursive: true, mode: 0o700 })
await writeProfile(folder, till)
const at = (name: string) => join(home.path, name)
const token = sealer(versions[0]!.publicKey)(PLACE, CARD)
writeFileSync(at('token'), `${token}\n`)

async function run(command: string, args: string[], stdin = '') {
  const { CLAVIGER_HOME: _, XDG_CONFIG_HOME: __, ...env } = process.env
  const child = spawn(command, args, { cwd: home.path, env: { ...env, HOME: home.path } })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (process.env.SHOW) t.comment(`$ ${args.at(-1)}${stdout}${stderr}`)
  return { status, stdout, stderr }
}

let next = 0
/** The next fence of the page, with the address of this device. */
function fence(kind: string): string {
  const found = fences[next++]
  if (found?.kind !== kind) throw new Error(`fence ${next} of the page is ${found?.kind}, not ${kind}`)
  return found.code.replaceAll('https://192.168.1.5:8443', till.addresses[0]!)
}
const sh = (stdin?: string) => run('bash', ['-e', '-o', 'pipefail', '-c', fence('sh')], stdin)
const json = async (stdin?: string) => {
  const { status, stdout, stderr } = await sh(stdin)
  if (status !== 0) throw new Error(`${stdout}${stderr}`)
  return JSON.parse(stdout)
}

const why = missing('curl', '--version') || missing('jq', '--version')
t.test('When a developer does what the page says with curl, then', { skip: why }, async t => {
  const note = { door: 'REST', program: 'curl', version: versionOf('curl', '--version') } as const
  noteProgram(t, { ...note, does: 'knows the device by its pin, and refuses another one' })
  noteProgram(t, { ...note, does: 'unlocks, opens, seals again, and reads keys, grants and the log' })
  await t.test('the enrolment becomes what curl needs, and nobody else may read it', async t => {
    t.match(await sh(), { status: 0, stderr: '' })
    for (const name of ['till.key', 'till.crt', 'till.curl']) t.equal(statSync(at(name)).mode & 0o777, 0o600)
  })
  await t.test('another device is not talked to', async t => {
    t.match(await sh(), { stdout: 'curl: 90\n', stderr: /public key/ })
  })
  await t.test('it is unlocked with a PIN', async t => {
    await admin.lock()
    t.match(await json(), { state: 'locked', device: till.device })
    t.same(await json(`${PIN}\n`), { state: 'operational' })
  })
  await t.test('fields open where they belong', async t => {
    t.match(await json(), {
      results: [
        { ref: 'a', value: CARD },
        { ref: 'b', value: '1111' },
        { ref: 'c', error: { code: 'open-failed' } },
      ],
      audit: { index: Number },
    })
  })
  await t.test('they are sealed again, for the same place', async t => {
    const { stdout } = await sh()
    t.match(stdout, /^clv1\.x\.orders\.1\.\S+\n$/)
    t.not(stdout.trim(), token)
    const client = await appliance.connect(till)
    const items = [{ ciphertext: stdout.trim(), context: PLACE }]
    t.match(await client.decrypt({ purpose: 'charge', items }), { results: [{ value: CARD }] })
  })
  await t.test('it reads the keys, its grants and its entries', async t => {
    t.match(await json(), { keys: [{ kid: 'orders@1', use: 'enc' }] })
    t.match(await json(), { grants: [{ agent: 'till' }, { agent: 'till' }, { agent: 'till' }], budgets: [] })
    const { stdout } = await sh()
    t.match(stdout, /"agent":"till".*"action":"rewrap"/)
    t.match(stdout, /^— \S+ \S+$/m, 'and the signature of the log')
  })
  await t.test('a refusal is a problem document, and a status of curl', async t => {
    const { stdout } = await sh()
    const [problem, status] = stdout.split(/(?=curl: )/)
    t.match(JSON.parse(problem!), { status: 403, code: 'wrong-role' })
    t.equal(status, 'curl: 22\n')
    t.equal(fences[next]?.kind, 'python', 'nothing of the page was left out')
  })
})

t.test('When a developer does what the page says with Python, then', async t => {
  const program = 'Python with `claviger_client.py`'
  const note = { door: 'REST', program, version: versionOf(PYTHON, '--version') } as const
  noteProgram(t, { ...note, does: 'knows the device by its pin, and refuses another one' })
  noteProgram(t, { ...note, does: 'unlocks, opens one or thousands, and reads grants' })
  copyFileSync(path('host-agent/client-python/claviger_client.py'), at('claviger_client.py'))
  const python = (code: string, stdin = '') => run(PYTHON, ['-c', code], stdin)
  const TRY = `
import sys, json
from claviger_client import *
def told(what):
    try:
        return what()
    except Problem as problem:
        return [type(problem).__name__, problem.status, problem.code, problem.state, problem.hint is not None]
    except ConnectionFailed as error:
        return [next(each.__name__ for each in type(error).__mro__ if each.__name__[0] != '_')]
`
  const tried = async (code: string) => {
    const { stdout, stderr } = await python(`${TRY}${code}`)
    if (!stdout) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  await t.test('it unlocks, opens, and is told problems', async t => {
    await admin.lock()
    next = fences.findIndex(({ kind }) => kind === 'python')
    const { status, stdout, stderr } = await python(fence('python'), `${PIN}\n`)
    t.equal(stdout, `${CARD}\n['${CARD}', 'open-failed']\n3\nnot-granted\n`, stderr)
    t.equal(status, 0)
    t.equal(next, fences.length, 'nothing of the page was left out')
  })
  await t.test('more items than a request takes come in order, bytes as bytes', async t => {
    const seal = sealer(versions[0]!.publicKey)
    const rows = Array.from({ length: 1001 }, (_, i) => [
      seal({ ...PLACE, record: `r/${i}` }, `${i}`),
      `r/${i}`,
    ])
    writeFileSync(at('rows.json'), JSON.stringify(rows))
    writeFileSync(at('bytes'), seal(PLACE, Uint8Array.of(0xff, 0)))
    const [values, bytes] = await tried(`
device = Claviger.enrolled("till")
rows = json.load(open("rows.json"))
opened = device.decrypt([(token, "card.number", record) for token, record in rows], "ship")
value = device.open(open("bytes").read(), "card.number", "cust_cards/42", "ship")
print(json.dumps([[each.value for each in opened], [type(value).__name__, value.hex()]]))`)
    t.same(
      values,
      rows.map((_, i) => `${i}`),
    )
    t.same(bytes, ['bytes', 'ff00'])
  })
  await t.test('a wrong PIN, a wrong state and a wrong role are problems with their code', async t => {
    await admin.lock()
    const got = await tried(`
device = Claviger.enrolled("till")
print(json.dumps([told(lambda: device.unlock("000000")), told(lambda: device.open("x", "a", "b", "ship")),
  told(lambda: device.call("GET", "/v1/settings")), device.unlock("${PIN}"), told(lambda: device.unlock("${PIN}")), device.lock(), device.unlock("${PIN}")]))`)
    t.same(got, [
      ['Problem', 403, 'unlock-refused', null, true],
      ['Problem', 412, 'wrong-state', 'locked', false],
      ['Problem', 403, 'wrong-role', null, false],
      'operational',
      ['Problem', 412, 'wrong-state', 'operational', false],
      'locked',
      'operational',
    ])
  })
  await t.test(
    'another device, a revoked machine and nobody at all are told apart, and get nothing',
    async t => {
      const seen = processes.lines.length
      const revoked = await appliance.enrol('gone', 'operator')
      const { key, certificate } = makeCard('stranger', 'elsewhere').profile
      await writeProfile(folder, {
        ...till,
        name: 'other',
        device: Buffer.alloc(32, 7).toString('base64url'),
      })
      await writeProfile(folder, revoked)
      await writeProfile(folder, { ...till, key, certificate, name: 'stranger' })
      await admin.revoke('gone')
      const got = await tried(`
print(json.dumps([told(lambda: Claviger.enrolled("other").status()), told(lambda: Claviger.enrolled("gone").status())[2],
  told(lambda: Claviger.enrolled("stranger").status()), told(lambda: Claviger.enrolled("till", "https://127.0.0.1:1").status())]))`)
      t.same(got, [['DeviceMismatch'], 'unknown-agent', ['CertificateRefused'], ['ConnectionFailed']])
      t.equal(processes.lines.length, seen, 'and the device has nothing to complain of')
    },
  )
  await t.test('a kept connection that died is made anew for what may be sent twice', async t => {
    const got = await tried(`
device = Claviger.enrolled("till")
device.status()
device._connection.sock.close()
first = told(lambda: device.status()["state"])
device._connection.sock.close()
print(json.dumps([first, told(lambda: device.lock())]))`)
    t.same(got, ['operational', ['ConnectionFailed']], 'a lock is not')
  })
})
