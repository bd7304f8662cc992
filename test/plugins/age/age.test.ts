/**
 * Files of age through the plugin and a real appliance: with Debian's age, with newer ones and with rage where
 * `node bootstrap.mjs test/plugins/age/fetch.ts` got them. What is encrypted to an ordinary recipient opens, and passes the guard.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as stock from 'age-encryption'
import t from 'tap'
import { formatIdentity, parseIdentity } from '../../../host-agent/plugins/age/identity-string.ts'
import { AGE_FIELD } from '../../../protocol/api/routes.ts'
import { startAgent } from '../../support/agent.ts'
import { PASSPHRASE, PIN, WIDE } from '../../support/appliance.ts'
import { noteAbsence, noteProgram, versionOf } from '../../support/compatibility.ts'
import { missing } from '../../support/programs.ts'
import { KEYS, type KeyName, OPERATOR, openHouse, PURPOSE } from './house.ts'
import { NEWER, newer, OWN } from './programs.ts'

t.setTimeout(180_000)

const noAge = missing('age', '--version')
const house = await openHouse()
t.teardown(house.remove)
const { appliance } = house.processes
const admin = await appliance.connect(appliance.admin)
/** It has all kinds of recipients of its own. */
const NEWEST = NEWER[1]
const NAMES = Object.keys(KEYS) as KeyName[]
const BOOKS = randomBytes(200_000)
/** How recipients begin, and what an age that does not know them starts in their place. */
const RECIPIENTS = {
  'files-x': ['age1…', ''],
  'files-p': ['age1tag1…', 'age-plugin-tag'],
  'files-q': ['age1pq1…', 'age-plugin-pq'],
} as const

const recipients = new Map<string, string>()
const pathOf = (key: string) => join(house.home, `${key}.txt`)
for (const key of NAMES) {
  const { status, stdout, stderr } = await house.claviger(['age', 'identity', key, '--as', OPERATOR])
  if (status !== 0) throw new Error(stderr)
  recipients.set(key, /# recipient: (\S+)/.exec(stdout)![1]!)
  await writeFile(pathOf(key), stdout)
}

/** A file that a stock age in JavaScript encrypts to ordinary recipients. */
async function encrypted(...to: string[]): Promise<Uint8Array> {
  const encrypter = new stock.Encrypter()
  for (const recipient of to) encrypter.addRecipient(recipient)
  return encrypter.encrypt(BOOKS)
}
const decrypt = (
  key: string,
  file: Uint8Array,
  program: { command: string; before: readonly string[] } = OWN,
) => house.run(program, ['-d', '-i', pathOf(key)], file)
async function lastEntries(from: number): Promise<{ action: string; items?: object[] }[]> {
  const { entries } = await admin.auditEntries({ from, limit: 100 })
  return entries.map(entry => JSON.parse(entry))
}
const logSize = async () => (await admin.auditEntries({ from: 0, limit: 1 })).size

t.test('When a key is not for files, or there is none, then there is no identity', async t => {
  await admin.createKey('orders')
  const other = await house.claviger(['age', 'identity', 'orders', '--as', OPERATOR])
  t.equal(other.status, 2)
  t.match(other.stderr, /orders is not for files\n.*admin key create NAME --files/)
  t.match(await house.claviger(['age', 'identity', 'nothing', '--as', OPERATOR]), { status: 1 })
  const { stdout } = await house.claviger(['age', 'identity', 'files-x', '--as', OPERATOR, '--json'])
  t.match(JSON.parse(stdout), {
    identities: [{ kid: 'files-x@1', recipient: /^age1/, identity: /^AGE-PLUGIN-CLAVIGER-1/ }],
  })
})

for (const [at, program] of [OWN, ...NEWER.map(name => newer(name) ?? name)].entries()) {
  const isHere = typeof program !== 'string'
  const name = isHere ? program.name : program
  // The newest suite of Debian may be between two versions of a package.
  const isMissed = process.env.CI && name === NEWER[0]
  const skip = isHere ? noAge : isMissed ? false : 'not here: node bootstrap.mjs test/plugins/age/fetch.ts'
  const noted = { door: 'age', program: name === 'rage' ? 'rage' : 'age' } as const
  if (!isHere) noteAbsence(noted)
  await t.test(`When ${name} decrypts with an identity, then every kind of key opens`, { skip }, async t => {
    if (!isHere) return t.fail(`${name} is missing`)
    const note = { ...noted, version: versionOf(program.command, ...program.before, '--version') }
    noteProgram(t, { ...note, does: 'decrypts with `-d -i`, for keys of every suite' })
    noteProgram(t, { ...note, does: 'encrypts with `-e -i`' })
    for (const key of NAMES) {
      const { stdout, stderr } = await decrypt(key, await encrypted(recipients.get(key)!), program)
      t.ok(stdout.equals(BOOKS), `${key}: what a stock age encrypted`)
      // While it is slow, the newest age says whom it waits for.
      t.match(stderr, /^(?:age: waiting on claviger plugin\.\.\.\n)?$/)
    }
    const key = NAMES[at % NAMES.length]!
    const own = await house.run(program, ['-e', '-i', pathOf(key)], BOOKS)
    t.ok((await decrypt(key, own.stdout, program)).stdout.equals(BOOKS), `${key}: with -e -i, ${own.stderr}`)
    for (const native of NAMES) {
      const file = await house.run(program, ['-e', '-r', recipients.get(native)!], BOOKS)
      const [recipient, other] = RECIPIENTS[native]
      const does = `encrypts with \`-r ${recipient}\``
      if (file.status !== 0) {
        t.not(name, NEWEST, file.stderr)
        t.match(file.stderr, other || /never/)
        noteProgram(t, { ...note, does, why: `it starts \`${other}\` for that; \`-e -i\` does it` })
        continue
      }
      noteProgram(t, { ...note, does })
      t.ok((await decrypt(native, file.stdout)).stdout.equals(BOOKS), `${native}: with -r, ${file.stderr}`)
    }
  })
}

t.test(
  'When a file was opened, then the log says so by key, purpose and stanza',
  { skip: noAge },
  async t => {
    const before = await logSize()
    const file = await encrypted(recipients.get('files-x')!)
    for (let i = 0; i < 3; i++) t.equal((await decrypt('files-x', file)).status, 0, 'nobody types anything')
    const entries = await lastEntries(before)
    const asked = entries.filter(({ action }) => action === 'decrypt')
    t.match(
      asked,
      Array.from({ length: 3 }, () => ({
        agent: OPERATOR,
        purpose: PURPOSE,
        outcome: 'allowed',
        items: [{ key: 'files-x@1', field: AGE_FIELD, form: 'age', records: [/^stanza-[0-9a-f]{16}$/] }],
      })),
    )
    t.equal(asked.length, 3, 'one entry for each time')
    t.equal(
      new Set(asked.map(({ items }) => JSON.stringify(items))).size,
      1,
      'the same file has the same name',
    )
  },
)

t.test(
  'When a file is for others, then age says so, and a tag keeps it from the device',
  { skip: noAge },
  async t => {
    const before = await logSize()
    const stranger = await stock.identityToRecipient(await stock.generateX25519Identity())
    const plain = await encrypted(stranger)
    for (const key of ['files-p', 'files-q'])
      t.match(await decrypt(key, plain), { status: 1, stderr: /no identity matched/ })
    const [tagged] = await Promise.all([encrypted(recipients.get('files-p')!)])
    await admin.rotateKey('files-p')
    const newest = (await house.claviger(['age', 'identity', 'files-p', '--as', OPERATOR, '--json'])).stdout
    const identities = JSON.parse(newest).identities as { kid: string; identity: string }[]
    t.same(
      identities.map(({ kid }) => kid),
      ['files-p@2', 'files-p@1'],
    )
    await writeFile(pathOf('newest'), identities[0]!.identity)
    t.match(await decrypt('newest', tagged), { status: 1, stderr: /no identity matched/ })
    const opened = () => lastEntries(before).then(all => all.filter(({ action }) => action === 'decrypt'))
    t.same(await opened(), [], 'the device was not asked')
    await writeFile(pathOf('both'), identities.map(({ identity }) => `${identity}\n`).join(''))
    t.match(await decrypt('both', tagged), { status: 0 }, 'the older version opens it')
    t.match(
      await decrypt('files-x', plain),
      { status: 1, stderr: /no identity matched/ },
      'only trying tells',
    )
    t.equal((await opened()).length, 2)
  },
)

t.test('When the device refuses, then age says why', { skip: noAge }, async t => {
  const identity = (purpose: string) =>
    house.claviger(['age', 'identity', 'files-x', '--as', OPERATOR, '--purpose', purpose])
  await writeFile(pathOf('other'), (await identity('ship')).stdout)
  const file = await encrypted(recipients.get('files-x')!)
  t.match(await decrypt('other', file), {
    status: 1,
    stderr: /no grant allows this\nhint: ask an administrator/,
  })

  const budget = { per: 'day' as const, records: 2, operations: null, alarm: false }
  await admin.addGrant({
    ...WIDE,
    agent: OPERATOR,
    key: 'files-x',
    fields: [AGE_FIELD],
    purposes: ['once'],
    reveal: ['full'],
    budgets: [budget],
  })
  await writeFile(pathOf('once'), (await identity('once')).stdout)
  for (let i = 0; i < 2; i++) t.match(await decrypt('once', file), { status: 0 })
  t.match(await decrypt('once', file), {
    status: 1,
    stderr: /the budget for once is used up\nhint: there is room again/,
  })

  const owner = await house.claviger(['age', 'identity', 'files-x', '--as', 'owner'])
  t.match(owner, { status: 2, stderr: /owner is an administrator, who opens nothing/ })
  const moved = parseIdentity(/^AGE.*$/m.exec((await identity(PURPOSE)).stdout)![0])!
  await writeFile(pathOf('moved'), formatIdentity({ ...moved, serial: '0123456789abcdef' }))
  t.match(await decrypt('moved', file), { status: 1, stderr: /desk-1 is enrolled with another device/ })
  await writeFile(pathOf('nobody'), formatIdentity({ ...moved, enrolment: 'nobody' }))
  t.match(await decrypt('nobody', file), { status: 1, stderr: /there is no enrolment named nobody here/ })
})

const noScript = missing('script', '--version')
t.test(
  'When the device is locked, then age asks for the PIN once, and not for the next files',
  { skip: noAge || noScript },
  async t => {
    const file = await encrypted(recipients.get('files-q')!)
    const path = join(house.home, 'books.age')
    await writeFile(path, file)
    await admin.lock()
    t.match(await decrypt('files-q', file), {
      status: 1,
      stderr: /the device is locked\nhint: unlock it with claviger unlock/,
    })
    const command = `age -d -i ${pathOf('files-q')} -o ${path}.out ${path}`
    const asked = await house.run(
      { command: 'script', before: [] },
      ['-qec', command, '/dev/null'],
      Buffer.from(`${PIN}\n`),
    )
    t.equal(asked.status, 0, asked.stdout.toString())
    t.match(asked.stdout.toString(), /PIN of desk-1, to unlock the device/)
    t.equal((await admin.status()).state, 'operational')
    for (let i = 0; i < 2; i++) t.match(await decrypt('files-q', file), { status: 0, stderr: '' })
    await admin.lock()
    await admin.unlock({ passphrase: PASSPHRASE })
  },
)

t.test(
  'When the agent runs, then what age starts hands over to it, and else to Node',
  { skip: noAge },
  async t => {
    const folder = new URL('../../../host-agent/plugins/age/', import.meta.url)
    const alone = join(house.home, 'age-plugin-claviger.pl')
    await copyFile(new URL('age-plugin-claviger.pl', folder), alone)
    const linked = join(house.home, 'linked')
    await symlink(fileURLToPath(new URL('age-plugin-claviger.pl', folder)), linked)
    const file = await encrypted(recipients.get('files-x')!)

    await house.usePlugin('perl', alone)
    t.match(await decrypt('files-x', file), { status: 1 }, 'no agent, and nothing beside it')
    await house.usePlugin('perl', linked)
    t.match(
      await decrypt('files-x', file),
      { status: 0, stderr: '' },
      'the program beside where the link leads',
    )

    const agent = await startAgent(house.home, [], ['--no-page', '--never-ask'])
    t.teardown(() => agent.stop())
    await house.usePlugin('perl', alone)
    for (const key of ['files-x', 'files-q']) {
      const own = await house.run(OWN, ['-e', '-i', pathOf(key)], BOOKS)
      t.ok((await decrypt(key, own.stdout)).stdout.equals(BOOKS), `${key}: the agent wraps and unwraps`)
    }
    t.match(await decrypt('other', file), { status: 1, stderr: /no grant allows this/ })
    t.match(await house.run({ command: 'perl', before: [alone] }, ['--age-plugin=identity-v2']), {
      status: 1,
    })
  },
)
