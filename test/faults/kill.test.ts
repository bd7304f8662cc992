/** The processes die under load, the disk fills up: what was acknowledged stays, and no answer is wrong. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { type Seal, sealer } from '../../host-agent/seal/seal.ts'
import type { ClavigerError } from '../../protocol/api/errors.ts'
import {
  flashCard,
  PASSPHRASE,
  PIN,
  type Processes,
  startProcesses,
  temporaryDirectory,
} from '../support/appliance.ts'

const PLACE = { field: 'card.number', record: 'cust_cards/42' }
/** How work may fail while a process is away. */
const EXCUSED = ['wrong-state', 'keeper-unavailable', 'unreachable']

interface Site {
  data: string
  processes: Processes
  admin: Appliance
  till: Appliance
  seal: Seal
  unlock(): Promise<void>
}

/** The processes, provisioned, with a key and an operator. */
async function startSite(
  t: Test,
  prepare: (keystore: string) => Promise<void> = async () => {},
): Promise<Site> {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const data = directory.path
  await mkdir(join(data, 'keystore'), { mode: 0o700 })
  await prepare(join(data, 'keystore'))
  const card = await flashCard(data, '')
  const processes = await startProcesses(data)
  t.teardown(processes.stop)
  const { appliance } = processes
  t.teardown(() => appliance.close())
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('orders')
  const profile = await appliance.enrol('till-1', 'operator', ['orders'], PIN)
  const till = await appliance.connect(profile)
  const unlock = async () => {
    await till.unlock({ pin: PIN, hostShare: profile.hostShare! })
  }
  return { data, processes, admin, till, seal: sealer(key.versions[0]!.publicKey), unlock }
}

/** Work that goes on until it is stopped. */
class Load {
  readonly wrong: string[] = []
  /** What was answered with success, each as a check that it is there. */
  readonly keys = new Set<string>()
  readonly invitations = new Set<string>()
  /** Entries of the log that answers named. */
  readonly entries: number[] = []
  versions = 1
  /** New keys and invitations since the last call of {@link progress}. */
  #news = 0
  #stopped = false
  readonly #loops: Promise<void>[]

  constructor({ admin, till, seal }: Site, prefix: string) {
    const loop = async (work: (i: number) => Promise<void>) => {
      for (let i = 0; !this.#stopped; i++)
        await work(i).then(
          () => {},
          (error: ClavigerError) => {
            if (!EXCUSED.includes(error.code)) this.wrong.push(`${error.code}: ${error.message}`)
            return sleep(10)
          },
        )
    }
    const decrypt = (lane: number) => async (i: number) => {
      const values = [`lane ${lane}`, `round ${i}`]
      const items = values.map(value => ({ ciphertext: seal(PLACE, value), context: PLACE }))
      const { results, audit } = await till.decrypt({ purpose: 'ship', items })
      this.entries.push(audit.index)
      if (JSON.stringify(results.map(({ value }) => value)) !== JSON.stringify(values))
        this.wrong.push(JSON.stringify(results))
    }
    this.#loops = [
      ...[1, 2, 3, 4].map(lane => loop(decrypt(lane))),
      loop(async i => {
        await sleep(5)
        const { name } = await admin.createKey(`${prefix}-key-${i}`)
        this.keys.add(name)
        this.#news++
      }),
      loop(async i => {
        await sleep(20)
        const { name } = await admin.invite({
          name: `${prefix}-agent-${i}`,
          role: 'auditor',
          validFor: 3600,
        })
        this.invitations.add(name)
        this.#news++
      }),
      loop(async () => {
        await sleep(50)
        this.versions = Math.max(this.versions, (await admin.rotateKey('orders')).versions.length)
      }),
    ]
  }

  /** Waits for so many new keys and invitations, among which many fields were opened. */
  async progress(count: number): Promise<void> {
    this.#news = 0
    while (this.#news < count) await sleep(10)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }
}

/** Kills one process; resolves when the next one was started. */
async function kill(processes: Processes, name: 'keeper' | 'gate' | 'health'): Promise<void> {
  const pid = processes.pidOf(name)
  const again = processes.line(new RegExp(`started ${name}=`))
  process.kill(pid, 'SIGKILL')
  await again
}

/** Everything that was acknowledged is there. */
async function nothingLost(t: Test, { admin, till, seal }: Site, load: Load): Promise<void> {
  const keys = (await admin.listKeys()).keys
  const names = new Set(keys.map(({ name }) => name))
  const agents = new Set((await admin.listAgents()).agents.map(({ name }) => name))
  t.same(
    [...load.keys].filter(name => !names.has(name)),
    [],
    `all of ${load.keys.size} new keys`,
  )
  t.same(
    [...load.invitations].filter(name => !agents.has(name)),
    [],
    `all of ${load.invitations.size} invitations`,
  )
  const log = await entriesOf(admin)
  t.equal(new Set(load.entries).size, load.entries.length, 'no two answers have the same entry')
  t.same(
    load.entries.filter(index => log[index]?.action !== 'decrypt' || log[index].agent !== 'till-1'),
    [],
    `all of ${load.entries.length} entries`,
  )
  const { versions } = keys.find(({ name }) => name === 'orders')!
  t.ok(versions.length >= load.versions, `all of ${load.versions} versions`)
  const items = versions.map(({ publicKey }, i) => ({
    ciphertext: sealer(publicKey)(PLACE, `${i}`),
    context: PLACE,
  }))
  const old = { ciphertext: seal(PLACE, 'old'), context: PLACE }
  const { results } = await till.decrypt({ purpose: 'ship', items: [...items, old] })
  t.same(results, [...versions.map((_, i) => ({ value: `${i}` })), { value: 'old' }], 'which all open')
}

/** The whole log. */
async function entriesOf(admin: Appliance): Promise<{ action: string; agent: string }[]> {
  const lines: string[] = []
  for (;;) {
    const { entries, size } = await admin.auditEntries({ from: lines.length, limit: 4096 })
    lines.push(...entries)
    if (lines.length >= size - 1) return lines.map(line => JSON.parse(line))
  }
}

t.test('When a process is killed under load', async t => {
  const site = await startSite(t)
  const { processes, admin, till, seal, unlock } = site

  t.test(
    'the keeper: then the device is locked, unlocks again, and has all that it acknowledged',
    async t => {
      for (const round of [1, 2, 3]) {
        const load = new Load(site, `keeper-${round}`)
        await load.progress(10)
        const before = processes.pidOf('keeper')
        await kill(processes, 'keeper')
        t.not(processes.pidOf('keeper'), before)
        t.equal((await stateAfter(admin)).state, 'locked')
        await t.rejects(till.decrypt({ purpose: 'ship', items: [{ ciphertext: 'x', context: PLACE }] }), {
          code: 'wrong-state',
        })
        await unlock()
        await load.progress(10)
        await load.stop()
        t.same(load.wrong, [])
        await nothingLost(t, site, load)
      }
    },
  )

  t.test('the gate: then clients find the next one, and the keys stay unlocked', async t => {
    const load = new Load(site, 'gate')
    await load.progress(10)
    await kill(processes, 'gate')
    await load.progress(10)
    t.equal((await admin.status()).state, 'operational')
    await kill(processes, 'gate')
    await load.progress(10)
    await load.stop()
    t.same(load.wrong, [])
    await nothingLost(t, site, load)
  })

  t.test('health: then nobody notices, and the next one is heard', async t => {
    while ((await healthOf(admin)) !== 'data') await sleep(50)
    const load = new Load(site, 'health')
    const refused: string[] = []
    await load.progress(3)
    await kill(processes, 'health')
    for (let i = 0; i < 20; i++) {
      const value = `without health ${i}`
      const answer = await till
        .decrypt({ purpose: 'ship', items: [{ ciphertext: seal(PLACE, value), context: PLACE }] })
        .catch((error: ClavigerError) => error)
      if (!('results' in answer) || answer.results[0]!.value !== value) refused.push(JSON.stringify(answer))
      t.match(await healthOf(admin), /^(data|health-unavailable)$/)
    }
    t.same(refused, [])
    while ((await healthOf(admin)) !== 'data') await sleep(50)
    await load.stop()
    t.same(load.wrong, [])
    await nothingLost(t, site, load)
  })

  t.test('all three at once: then all is as after the death of the keeper', async t => {
    const load = new Load(site, 'all')
    await load.progress(6)
    await Promise.all((['keeper', 'gate', 'health'] as const).map(name => kill(processes, name)))
    t.equal((await stateAfter(admin)).state, 'locked')
    await unlock()
    await load.progress(10)
    await load.stop()
    t.same(load.wrong, [])
    await nothingLost(t, site, load)
  })

  t.test('a second keeper: then it is told who holds the keystore, and ends', async t => {
    const { data } = site
    const main = fileURLToPath(new URL('../../appliance/keeper/main.ts', import.meta.url))
    const { code, said } = await run(
      main,
      ['--data', data, '--socket', join(data, 'second.sock')].concat([
        '--device-secret',
        join(data, 'device-secret'),
      ]),
    )
    t.equal(code, 1)
    t.match(said, new RegExp(`^claviger-keeper: .*\\b${processes.pidOf('keeper')}\\b`, 'm'))
    t.equal((await admin.status()).state, 'operational', 'the first one goes on')
    t.ok((await admin.createKey('after-second')).versions.length)
  })
})

/** The first status that the keeper itself answers. */
async function stateAfter(admin: Appliance): Promise<{ state: string }> {
  for (;;) {
    try {
      return await admin.status()
    } catch (error) {
      if (!EXCUSED.includes((error as ClavigerError).code)) throw error
      await sleep(20)
    }
  }
}

async function healthOf(admin: Appliance): Promise<string> {
  return admin.health().then(
    () => 'data',
    (error: ClavigerError) => error.code,
  )
}

function run(script: string, args: string[]): Promise<{ code: number | null; said: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', chunk => {
        said += chunk
      })
    child.once('close', code => resolve({ code, said }))
  })
}

t.test('When the disk is full, then changes are refused, reading goes on, and nothing is lost', async t => {
  let cannot = ''
  const site = startSite(t, async keystore => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', keystore], {
        stdio: 'pipe',
      })
      t.teardown(() => execFileSync('umount', ['--lazy', keystore]))
    } catch (error) {
      cannot = `a small file system cannot be mounted here: ${(error as Error).message.trim()}`
      throw error
    }
  })
  const ready = await site.catch(() => null)
  if (cannot) {
    if (process.env.CI) t.fail(cannot)
    else t.comment(cannot)
    return t.pass('skipped', { skip: cannot })
  }
  const { data, admin, till, seal } = ready!
  await admin.createKey('before')
  const filler = join(data, 'keystore', 'filler')
  const { bavail, bsize } = await statfs(join(data, 'keystore'))
  await writeFile(filler, Buffer.alloc(bavail * bsize))

  for (const name of ['full-1', 'full-2'])
    await t.rejects(admin.createKey(name), { code: 'storage-failed', status: 507 })
  await t.rejects(admin.invite({ name: 'full', role: 'auditor', validFor: 3600 }), {
    code: 'storage-failed',
    status: 507,
  })
  const names = async () => (await admin.listKeys()).keys.map(({ name }) => name)
  t.same(await names(), ['orders', 'before'], 'what was refused is not there')
  const items = [{ ciphertext: seal(PLACE, 'still'), context: PLACE }]
  t.same((await till.decrypt({ purpose: 'ship', items })).results, [{ value: 'still' }])

  await rm(filler)
  await admin.createKey('after')
  t.same(await names(), ['orders', 'before', 'after'])
  await admin.lock()
  await admin.unlock({ passphrase: PASSPHRASE })
  t.same(await names(), ['orders', 'before', 'after'], 'also in the file')
  t.same((await till.decrypt({ purpose: 'ship', items })).results, [{ value: 'still' }])
})
