/** What the commands about the audit log do: export, verify, prove, archive, describe. */
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { archive, verifyForArchive } from '../../host-agent/cli/audit/archive.ts'
import { describeEntry, HEADINGS } from '../../host-agent/cli/audit/describe.ts'
import { exportLog } from '../../host-agent/cli/audit/export.ts'
import { readFolder, verifyFolder } from '../../host-agent/cli/audit/folder.ts'
import { prove } from '../../host-agent/cli/audit/prove.ts'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { localTime } from '../../host-agent/client/errors.ts'
import { readCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { type Entry, readEntry } from '../../protocol/audit/entry.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const scratch = await temporaryDirectory()
const started = await startInProcess()
t.teardown(async () => {
  await started.stop()
  await scratch.remove()
})
const { admin } = started.appliance
const logKey = admin.logKey!
const appliance = await started.appliance.connect(admin)
await appliance.createKey('orders')

const progress = () => ({ update: () => {}, end: () => {} })
const bar = progress()
const newFolder = () => mkdtemp(join(scratch.path, 'log-'))
const exporting = (directory: string, from: Partial<Appliance> = {}) =>
  exportLog({
    appliance: {
      auditCheckpoint: from.auditCheckpoint ?? appliance.auditCheckpoint,
      auditEntries: from.auditEntries ?? appliance.auditEntries,
    },
    logKey,
    directory,
    progress,
  })
const verifying = async (directory: string) =>
  verifyFolder(await readFolder(directory), { verifierKey: logKey })
const sizeOf = async () => readCheckpoint((await appliance.auditCheckpoint()).checkpoint!).size

/** Adds entries: every reading of the log is one. */
async function grow(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 64)
    await Promise.all(
      Array.from({ length: Math.min(64, left) }, () => appliance.auditEntries({ from: 0, limit: 1 })),
    )
}

t.test('When the log is exported again, then what is new is added, and all of it is verified', async t => {
  const directory = await newFolder()
  const size = await sizeOf()
  t.strictSame(await exporting(directory), { first: 0, size, added: size })
  t.match((await readdir(directory)).sort(), [
    'checkpoint',
    'entries-000000000.jsonl',
    'leaves-000000000.bin',
  ])
  t.match(await verifying(directory), { first: 0, size, entries: size, origin: 'claviger/default' })
  const text = await readFile(join(directory, 'entries-000000000.jsonl'), 'utf8')
  t.equal(text.split('\n').length - 1, size)
  t.match(readEntry(text.split('\n')[0]!), { index: 0, action: 'provision' })

  await appliance.createKey('cards')
  const larger = await sizeOf()
  t.strictSame(await exporting(directory), { first: 0, size: larger, added: larger - size })
  t.match(await verifying(directory), { size: larger })
  const locked = {
    auditCheckpoint: async () => ({
      checkpoint: await readFile(join(directory, 'checkpoint'), 'utf8'),
      logKey,
    }),
  }
  t.strictSame(await exporting(directory, locked), { first: 0, size: larger, added: 0 })
  await t.rejects(
    exporting(await newFolder(), { auditCheckpoint: async () => ({ checkpoint: null, logKey }) }),
    {
      code: 'unknown-entry',
      hint: /unlock/,
    },
  )
})

t.test('When an export is interrupted, then the next one goes on where it ended', async t => {
  await grow(200)
  const directory = await newFolder()
  const size = await sizeOf()
  // Two entries an answer, and the wire breaks after ten answers.
  let answers = 0
  const auditEntries: Appliance['auditEntries'] = async body => {
    if (answers++ === 10) throw new Error('the cable')
    return appliance.auditEntries({ ...body, limit: 2 })
  }
  await t.rejects(exporting(directory, { auditEntries }), { message: 'the cable' })
  await t.rejects(verifying(directory), { code: 'audit-damaged', hint: /run it again/ })
  t.ok((await exporting(directory)).added >= size)

  // A whole file came, and its checkpoint did not: it is not asked for again.
  await rm(join(directory, 'checkpoint'))
  const before = await sizeOf()
  const asked: number[] = []
  await grow(5)
  const { added } = await exporting(directory, {
    auditEntries: body => {
      asked.push(body.from)
      return appliance.auditEntries(body)
    },
  })
  t.ok(asked[0]! >= size && asked[0]! <= before)
  t.ok(added < 20, `${added}`)
  t.match(await verifying(directory), { first: 0 })
})

t.test('When anything in a folder is changed, then it does not verify, and it says where', async t => {
  const directory = await newFolder()
  await exporting(directory)
  await grow(20)
  await exporting(directory)
  const names = (await readdir(directory)).sort()
  const files = await Promise.all(names.map(name => readFile(join(directory, name))))
  const entries = names.filter(name => name.startsWith('entries'))
  t.equal(entries.length, 2)
  const copy = await newFolder()
  const tried = async (change: () => Promise<unknown>) => {
    await rm(copy, { recursive: true })
    await cp(directory, copy, { recursive: true })
    await change()
    return verifying(copy).then(
      () => null,
      error => error,
    )
  }
  const property = fc.asyncProperty(
    fc.nat(names.length - 1),
    fc.nat(1_000_000),
    fc.integer({ min: 1, max: 255 }),
    async (which, where, bits) => {
      const [name, bytes] = [names[which]!, Buffer.from(files[which]!)]
      const at = where % bytes.length
      bytes[at]! ^= bits
      const error = await tried(() => writeFile(join(copy, name), bytes))
      // Hashes of entries only serve to name the bad one.
      if (name.startsWith('leaves')) return error === null
      if (name === 'checkpoint') return error?.code === 'bad-checkpoint'
      const line = files[which]!.subarray(0, at).toString('latin1').split('\n').length - 1
      return error?.code === 'audit-damaged' && error.index === Number(name.slice(8, 17)) + line
    },
  )
  await fc.assert(property, { numRuns: 60 })
  // Two lines that became one make the next file begin too late.
  const lineEnd = files[names.indexOf(entries[0]!)]!.indexOf('\n', 2000)
  const joined = await tried(async () => {
    const bytes = Buffer.from(files[names.indexOf(entries[0]!)]!)
    bytes[lineEnd] = 0x0b
    await writeFile(join(copy, entries[0]!), bytes)
  })
  t.match(joined, { code: 'audit-damaged', message: /entry \d+ is not what the device wrote/ })

  const [first, second] = entries.map(name => join(copy, name))
  const missing = await tried(() => rm(first!))
  t.match(missing, { code: 'audit-damaged', index: 0, message: 'there is no file entries-000000000.jsonl' })
  const cut = await tried(() => rm(second!))
  t.match(cut, { code: 'audit-damaged', index: Number(entries[1]!.slice(8, 17)) })
  const longer = await tried(() => appendFile(second!, '{}\n'))
  t.match(longer, { code: 'audit-damaged', index: (await verifying(directory)).size })
  await t.rejects(readFolder(join(copy, 'nowhere')), { message: /cannot be read: ENOENT/ })

  // An export into it stops as well, and leaves it as it is.
  await tried(() => appendFile(first!, '\n'))
  const present = await readFile(first!)
  await t.rejects(exporting(copy), { code: 'audit-damaged', hint: /leave this folder as it is/ })
  t.ok(present.equals(await readFile(first!)))
})

t.test('When the device lies about its entries, then the checkpoint does not take its place', async t => {
  const lies: Appliance['auditEntries'][] = [
    async body => {
      const answer = await appliance.auditEntries(body)
      return { ...answer, entries: answer.entries.map(line => line.replace('"allowed"', '"refused"')) }
    },
    async body => ({ ...(await appliance.auditEntries(body)), entries: [] }),
    async body => ({ ...(await appliance.auditEntries(body)), entries: ['a\nb'] }),
    async body => ({ ...(await appliance.auditEntries(body)), oldest: 3, dropped: [] }),
    async body => ({ ...(await appliance.auditEntries(body)), oldest: 3, dropped: ['x', 'y'] }),
  ]
  for (const auditEntries of lies) {
    const directory = await newFolder()
    await t.rejects(exporting(directory, { auditEntries }), { code: /audit-damaged|bad-response/ })
    t.notOk((await readdir(directory)).includes('checkpoint'))
  }
})

t.test('When an entry is proved, then it is the one that was signed for', async t => {
  const { entry, size } = await prove(appliance, logKey, 2)
  t.match(readEntry(entry), { index: 2, action: 'createKey' })
  t.equal(size, await sizeOf())
  await t.rejects(prove(appliance, logKey, size), { code: 'unknown-entry' })
  const lying = Object.create(appliance) as Appliance
  lying.auditCheckpoint = appliance.auditCheckpoint
  lying.auditInclusion = async body => ({
    ...(await appliance.auditInclusion(body)),
    entry: entry.replace('owner', 'other'),
  })
  await t.rejects(prove(lying, logKey, 2), { code: 'log-rolled-back', message: /entry 2/ })
})

t.test(
  'When old entries are archived, then the device drops them, and a new export begins after them',
  async t => {
    await grow(4200)
    const young = await newFolder()
    await exporting(young)
    const nothing = await archive(appliance, await verifyForArchive(young, logKey, bar))
    t.match(nothing, { oldest: 0, dropped: 0 }, 'budgets look back at all of them')

    const days = 32
    started.advance(days * 86_400)
    const later = Date.now() + days * 86_400_000
    const folder = await verifyForArchive(young, logKey, bar, later)
    t.match(await archive(appliance, folder), { oldest: 4096, dropped: 4096 })
    t.match(await archive(appliance, folder), { oldest: 4096, dropped: 0 })

    const rest = await newFolder()
    t.match(await exporting(rest), { first: 4096 })
    t.ok((await readdir(rest)).includes('nodes.json'))
    t.match(await verifying(rest), { first: 4096 })
    t.match(await exporting(rest), { first: 4096, added: Number })
    t.match(await exporting(young), { first: 0, added: Number }, 'the old folder goes on too')
    const fromRest = await verifyForArchive(rest, logKey, bar, later)
    await t.rejects(
      archive(
        {
          ...appliance,
          auditEntries: async body => ({ ...(await appliance.auditEntries(body)), oldest: 7 }),
        },
        fromRest,
      ),
      {
        code: 'unknown-entry',
        message: /does not hold the entries 7 to 4095/,
      },
    )
    await rm(join(rest, 'nodes.json'))
    await t.rejects(verifying(rest), { code: 'audit-damaged' })

    const stale = await newFolder()
    await exporting(stale, {
      auditCheckpoint: async () => ({ checkpoint: folder.checkpoint, logKey }),
      auditEntries: async body => ({ ...(await appliance.auditEntries(body)), oldest: 0 }),
    }).catch(() => {})
    t.notOk((await readdir(stale)).includes('checkpoint'))
  },
)

t.test('When an entry is described, then a shop owner understands it', t => {
  const entry = (rest: Partial<Entry>): Entry => ({
    index: 7,
    time: 1_795_370_958_174,
    boot: 'b',
    up: 1,
    agent: 'till',
    role: 'operator',
    action: 'decrypt',
    outcome: 'allowed',
    ...rest,
  })
  const item = {
    key: 'orders@1',
    field: 'card.number',
    reveal: 'last4',
    records: ['c/1', 'c/2'],
    grant: 'g1',
  }
  const cells = (rest: Partial<Entry>) => describeEntry(entry(rest)).slice(2)
  t.equal(describeEntry(entry({})).length, HEADINGS.length)
  t.strictSame(describeEntry(entry({})).slice(0, 2), ['7', localTime(1_795_370_958.174)])
  t.strictSame(cells({ purpose: 'charge', reason: 'till 3', items: [item], count: 2 }), [
    'till',
    'saw the last four of card.number',
    'charge: till 3',
    '2',
    'allowed',
  ])
  const refused = { ...item, code: 'not-granted' }
  t.strictSame(cells({ items: [item, refused] }).slice(1), [
    'saw the last four of card.number, asked for card.number',
    '',
    '4',
    'partly refused: no grant allows this',
  ])
  t.strictSame(cells({ outcome: 'refused', items: [refused] }).slice(1), [
    'asked for card.number',
    '',
    '2',
    'refused: no grant allows this',
  ])
  t.strictSame(cells({ agent: '', role: '', action: 'lockdown', code: 'canary' }), [
    'the device',
    'locked down',
    'a canary was opened',
    '',
    'allowed',
  ])
  const detail = { agent: 'till', fields: 'address.*', purposes: 'ship' }
  t.strictSame(cells({ agent: 'owner', role: 'administrator', action: 'addGrant', detail }).slice(0, 2), [
    'owner (administrator)',
    'granted till address.* for ship',
  ])
  t.equal(cells({ action: 'createKey' })[1], 'made the key ?')
  t.equal(cells({ action: 'something' })[1], 'something')
  t.equal(cells({ action: 'unlock', outcome: 'refused', code: 'odd' })[4], 'refused: odd')
  t.end()
})
