/** The witness of the audit log: what an agent demands of a log that it has seen before. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { cp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { connectProfile } from '../../host-agent/client/connect.ts'
import { ApplianceError } from '../../host-agent/client/errors.ts'
import { type Witnessed, witnessLog } from '../../host-agent/client/witness.ts'
import { fileWitness, forgetOtherLog, memoryWitness } from '../../host-agent/client/witness-file.ts'
import type { State } from '../../protocol/api/routes.ts'
import { formatVerifierKey, readCheckpoint, signCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { Frontier } from '../../protocol/audit/frontier.ts'
import { consistencyProof, leafHash, type NodeAt, nodeHash, rootHash } from '../../protocol/audit/merkle.ts'
import { toBase64url } from '../../protocol/bytes.ts'
import {
  flashCard,
  PASSPHRASE,
  type Processes,
  startProcesses,
  temporaryDirectory,
} from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const ORIGIN = 'claviger/default'
const { privateKey } = generateKeyPairSync('ed25519')
const KEY = formatVerifierKey(ORIGIN, privateKey)

/** A log of lines, of which any size can be signed and proved. */
class Log implements Witnessed {
  readonly lines: string[]
  state: State = 'operational'
  /** What it shows, instead of a checkpoint of all of it. */
  shown: string | null | undefined
  asked = 0

  constructor(size: number, mark = '') {
    this.lines = Array.from({ length: size }, (_, i) => `${mark}${i}`)
  }

  get #nodeAt(): NodeAt {
    const nodeAt = (level: number, index: number): Uint8Array =>
      level === 0
        ? leafHash(Buffer.from(this.lines[index]!))
        : nodeHash(nodeAt(level - 1, 2 * index), nodeAt(level - 1, 2 * index + 1))
    return nodeAt
  }

  checkpoint(size = this.lines.length, origin = ORIGIN, key: KeyObject = privateKey): string {
    return signCheckpoint({ origin, size, root: rootHash(size, this.#nodeAt) }, origin, key)
  }

  status = async () => ({ state: this.state }) as Awaited<ReturnType<Witnessed['status']>>

  auditCheckpoint = async () => ({
    checkpoint: this.shown === undefined ? this.checkpoint() : this.shown,
    logKey: KEY,
  })

  auditConsistency = async ({ from, to }: { from: number; to: number }) => {
    this.asked++
    if (from > to || to > this.lines.length) throw new ApplianceError('unknown-entry', 404, 'no such entry')
    return { proof: consistencyProof(from, to, this.#nodeAt).map(toBase64url) }
  }
}

const rolledBack = { code: 'log-rolled-back', hint: /tell an administrator/ }

t.test('When a log only grows, then every agent accepts it, and remembers the newest checkpoint', async t => {
  const sizes = fc.array(fc.nat(70), { minLength: 1, maxLength: 6 })
  const property = fc.asyncProperty(sizes, async sizes => {
    const witness = memoryWitness()
    for (const size of sizes.sort((a, b) => a - b)) {
      const log = new Log(size)
      const now = await witnessLog(log, KEY, witness)
      if (now?.size !== size || (await witness.read()) !== log.checkpoint()) return false
    }
    return true
  })
  await fc.assert(property, { numRuns: 100 })
  t.end()
})

t.test('When a log lost entries or has other ones, then it is refused, and what was seen stays', async t => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.nat(60), async (size, other) => {
    const seen = new Log(size).checkpoint()
    const witness = memoryWitness(seen)
    const changed = new Log(Math.max(size, other))
    changed.lines[other % size] = 'changed'
    for (const log of [changed, ...(other < size ? [new Log(other)] : [])])
      await t.rejects(witnessLog(log, KEY, witness), rolledBack)
    return (await witness.read()) === seen
  })
  await fc.assert(property, { numRuns: 60 })
  t.end()
})

t.test('When the answers are forged, then none of them is taken for a proof', async t => {
  const seen = new Log(10).checkpoint()
  const stranger = generateKeyPairSync('ed25519').privateKey
  const cases: [what: string, shown: string | null, code: string][] = [
    ['no checkpoint at all', null, 'log-rolled-back'],
    ['another key', new Log(12).checkpoint(12, ORIGIN, stranger), 'bad-checkpoint'],
    ['another log', new Log(12).checkpoint(12, 'claviger/other'), 'bad-checkpoint'],
    ['garbage', 'garbage', 'bad-checkpoint'],
    ['a changed size', new Log(12).checkpoint().replace('\n12\n', '\n13\n'), 'bad-checkpoint'],
    ['an older one', new Log(9).checkpoint(), 'log-rolled-back'],
  ]
  for (const [what, shown, code] of cases) {
    const log = new Log(12)
    log.shown = shown
    const witness = memoryWitness(seen)
    await t.rejects(witnessLog(log, KEY, witness), { code }, what)
    t.equal(await witness.read(), seen)
  }
  for (const proof of [[], ['AAAA'], [7], 'none', new Array(4).fill(toBase64url(new Uint8Array(32)))]) {
    const log = new Log(12)
    log.auditConsistency = (async () => ({ proof })) as unknown as Log['auditConsistency']
    await t.rejects(witnessLog(log, KEY, memoryWitness(seen)), rolledBack)
  }
  t.equal(await witnessLog(Object.assign(new Log(0), { shown: null }), KEY, memoryWitness()), null)
  await t.rejects(witnessLog(new Log(3), 'no key', memoryWitness()), { code: 'bad-profile' })
  await t.rejects(witnessLog(new Log(3), KEY, memoryWitness('damaged')), { code: 'bad-checkpoint' })
})

t.test('When a device is locked, then it shows what it showed before, or it was rolled back', async t => {
  for (const state of ['locked', 'lockdown'] as const) {
    const log = Object.assign(new Log(13), { state })
    const seen = log.checkpoint(11)
    log.shown = seen
    const witness = memoryWitness(seen)
    t.match(await witnessLog(log, KEY, witness), { size: 11 })
    for (const shown of [null, log.checkpoint(4)])
      await t.rejects(witnessLog(Object.assign(new Log(13), { state, shown }), KEY, witness), rolledBack)
    t.equal(await witness.read(), seen)
  }
  for (const state of ['unprovisioned', 'failed'] as const) {
    const log = Object.assign(new Log(0), { state })
    t.equal(
      await witnessLog(log, KEY, memoryWitness(new Log(5).checkpoint())),
      null,
      `${state}: no log to ask`,
    )
  }
})

t.test('When the device fails to give a proof, then that is told as it is', async t => {
  const log = new Log(12)
  const failure = new ApplianceError('audit-unavailable', 503, 'the disk')
  log.auditConsistency = () => Promise.reject(failure)
  await t.rejects(witnessLog(log, KEY, memoryWitness(new Log(10).checkpoint())), {
    code: 'audit-unavailable',
  })
})

t.test('When another process remembers more in the meantime, then nobody takes alarm', async t => {
  const witness = memoryWitness()
  const log = new Log(5)
  const read = witness.read
  witness.read = async () => {
    const seen = await read()
    // Between our reading and the device's answer the log grows, and somebody else has seen it.
    log.lines.push('5', '6')
    await witness.write(log.checkpoint())
    return seen
  }
  await witnessLog(log, KEY, witness)
  t.equal(await read(), log.checkpoint())
})

t.test('When many write one file, then the newest checkpoint stays, whole and private', async t => {
  const directory = t.testdir()
  const checkpoints = Array.from({ length: 30 }, (_, i) => new Log(i).checkpoint())
  const shuffled = checkpoints.map((_, i) => checkpoints[(i * 7) % 30]!)
  await Promise.all(shuffled.map(text => fileWitness(directory, 'till').write(text)))
  const witness = fileWitness(directory, 'till')
  t.equal(await witness.read(), checkpoints.at(-1))
  t.strictSame(await readdir(directory), ['till.checkpoint'])
  t.equal((await stat(witness.place)).mode & 0o777, 0o600)

  await forgetOtherLog(witness, KEY)
  t.equal(await witness.read(), checkpoints.at(-1), 'the same log is remembered over a new enrolment')
  await forgetOtherLog(witness, formatVerifierKey(ORIGIN, generateKeyPairSync('ed25519').privateKey))
  t.equal(await witness.read(), null, 'another device is another log')
  await forgetOtherLog(witness, KEY)
})

t.test('When a process died while it wrote, then the next one is not kept waiting for ever', async t => {
  const directory = t.testdir({ 'till.checkpoint.new': 'half' })
  const { utimesSync } = await import('node:fs')
  utimesSync(join(directory, 'till.checkpoint.new'), 1, 1)
  const witness = fileWitness(directory, 'till')
  await witness.write(new Log(3).checkpoint())
  t.equal(await witness.read(), new Log(3).checkpoint())
})

t.test('When the frontier and the tree of the tests are compared, then they agree', t => {
  const frontier = new Frontier()
  for (const line of new Log(13).lines) frontier.addLine(Buffer.from(`\0${line}`))
  t.strictSame(frontier.root(), readCheckpoint(new Log(13).checkpoint()).root)
  t.end()
})

t.test('When a profile has no key of a log, or there is no witness, then nothing is asked', async t => {
  const started = await startInProcess()
  t.teardown(started.stop)
  const { admin } = started.appliance
  t.type(admin.logKey, 'string')
  const { logKey: _, ...old } = admin
  const witness = memoryWitness(new Log(1000).checkpoint())
  const open = async () => ({ address: 'memory:', open: async () => started.cable(), close: async () => {} })
  const appliance = await connectProfile(old, { open, witness })
  t.match(await appliance.status(), { state: 'operational' })
  await appliance.close()
  await t.rejects(connectProfile(admin, { open, witness }), { code: 'bad-checkpoint' })
  const mine = memoryWitness()
  for (let i = 0; i < 3; i++) {
    const again = await connectProfile(admin, { open, witness: mine })
    await again.createKey(`key-${i}`)
    await again.close()
  }
  t.equal(readCheckpoint((await mine.read())!).origin, ORIGIN)
})

t.test('When the log of a real device is replaced by an older copy, then its agents notice', async t => {
  const data = await temporaryDirectory()
  const home = await temporaryDirectory()
  const card = await flashCard(data.path, '')
  const witness = fileWitness(home.path, 'owner')
  let processes: Processes = await startProcesses(data.path)
  t.teardown(async () => {
    await processes.stop()
    await Promise.all([data.remove(), home.remove()])
  })
  await processes.appliance.provision(card)
  const { admin } = processes.appliance
  const connect = () => connectProfile({ ...admin, addresses: processes.appliance.addresses }, { witness })
  const restart = async (between: () => Promise<void>) => {
    await processes.stop()
    await between()
    processes = await startProcesses(data.path)
  }
  const unlock = async () => {
    const appliance = await connect()
    await appliance.unlock({ passphrase: PASSPHRASE })
    await appliance.close()
  }
  const audit = join(data.path, 'audit')
  const copy = join(home.path, 'audit')
  const work = async (key: string) => {
    const appliance = await connect()
    await appliance.createKey(key)
    await appliance.close()
    // So that this agent has seen the key being made.
    await (await connect()).close()
  }

  await work('orders')
  await restart(() => cp(audit, copy, { recursive: true }))
  await unlock()
  await work('cards')
  const seen = readCheckpoint((await witness.read())!).size
  await restart(async () => {})
  await (await connect()).close()
  t.pass('a restart is no alarm, though a locked device cannot sign')

  await restart(async () => {
    await rm(audit, { recursive: true })
    await cp(copy, audit, { recursive: true })
  })
  await t.rejects(connect(), rolledBack)
  t.equal(readCheckpoint((await witness.read())!).size, seen, 'what was seen is still remembered')

  // A machine that knows nothing of before sees an honest log: that is why every agent remembers.
  const stranger = await connectProfile(
    { ...admin, addresses: processes.appliance.addresses },
    { witness: memoryWitness() },
  )
  t.match(await stranger.status(), { state: /locked|failed/ })
  await stranger.close()
})
