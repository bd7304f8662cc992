/** Refused tries: each further one has to wait longer, whoever tries, from wherever, and across restarts. */
import { randomBytes } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import { Backoff } from '../../appliance/backoff.ts'
import { Refusals } from '../../appliance/gate/refusals.ts'
import { flashCard, PASSPHRASE, PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const LIMITS = { free: 3, first: 2, longest: 60 }

t.test('the table', async t => {
  t.test('When tries are refused, then the first are free and each further one doubles the wait', async t => {
    const backoff = new Backoff(LIMITS)
    const waits = Array.from({ length: 9 }, () => {
      backoff.refused('a', 1000)
      return backoff.wait('a', 1000)
    })
    t.same(waits, [0, 0, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    t.equal(backoff.wait('b', 1000), 0, 'each for itself')
    t.equal(backoff.wait('a', 31_000), 30_000)
    t.equal(backoff.wait('a', 61_000), 0)
    backoff.succeeded('a')
    backoff.refused('a', 61_000)
    t.equal(backoff.wait('a', 61_000), 0, 'after a success the first are free again')
  })

  t.test('When time goes anywhere, then the wait is never longer than the longest, and ends', async t => {
    const claim = () =>
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(1e9)), { maxLength: 60 }),
          fc.nat(2e9),
          (tries, now) => {
            const backoff = new Backoff(LIMITS)
            for (const [source, at] of tries) backoff.refused(source, at)
            const again = new Backoff(LIMITS)
            again.remember(backoff.remembered())
            for (const source of ['a', 'b', 'c']) {
              const wait = backoff.wait(source, now)
              if (wait < 0 || wait > 60_000) return false
              if (again.wait(source, now) !== wait) return false
            }
            return ['a', 'b', 'c'].every(source => backoff.wait(source, 4e9) === 0)
          },
        ),
      )
    t.doesNotThrow(claim)
  })

  t.test('When very many sources knock, then memory stays bounded', async t => {
    const backoff = new Backoff(LIMITS)
    for (let i = 0; i < 10_000; i++) backoff.refused(`source ${i}`, i)
    t.equal(backoff.remembered().length, 4096)
    t.same(backoff.remembered().at(-1), ['source 9999', 1, 9999])
  })
})

t.test('When a passphrase is wrong again and again, then the next try has to wait', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  await admin.changeSettings({ tries: { free: 3, first: 10, longest: 100 } })
  await admin.lock()
  const wrong = () => admin.unlock({ passphrase: 'not the passphrase' }).catch(error => error)
  for (let i = 0; i < 3; i++) t.match(await wrong(), { code: 'unlock-refused' })
  const refusal = await wrong()
  t.match(refusal, { code: 'too-many-tries', status: 429 })
  t.ok(refusal.free > Date.now() / 1000, 'it tells until when')
  await t.rejects(admin.unlock({ passphrase: PASSPHRASE }), { code: 'too-many-tries' }, 'the right one too')
  device.advance(11)
  t.match(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
  await admin.lock()
  for (let i = 0; i < 3; i++) t.match(await wrong(), { code: 'unlock-refused' }, 'a success starts anew')
})

t.test(
  'When somebody asks for what is not theirs, then it gets slower but their own work goes on',
  async t => {
    const device = await startInProcess()
    t.teardown(device.stop)
    const auditor = await device.appliance.connect(await device.appliance.enrol('eye', 'auditor'))
    const codes: string[] = []
    for (let i = 0; i < 8; i++) codes.push(await auditor.createKey('mine').catch(error => error.code))
    t.same(codes.slice(0, 5), Array(5).fill('wrong-role'))
    t.same(codes.slice(5), Array(3).fill('too-many-tries'))
    t.ok(await auditor.listGrants())
    const admin = await device.appliance.connect(device.appliance.admin)
    const { entries } = await admin.auditEntries({ from: 0, limit: 100 })
    const written = entries.map(line => JSON.parse(line)).filter(({ outcome }) => outcome === 'refused')
    t.equal(written.length, 5, 'what has to wait is not written')
  },
)

t.test('over a restart', async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const card = await flashCard(directory.path, '')
  const first = await startProcesses(directory.path)
  await first.appliance.provision(card)
  const { admin: profile } = first.appliance
  const admin = await first.appliance.connect(profile)
  const till = await first.appliance.enrol('till-1', 'operator', [], PIN)
  await admin.lock()
  const wrong = { pin: '000000', hostShare: till.hostShare! }
  for (let i = 0; i < 5; i++) await (await first.appliance.connect(till)).unlock(wrong).catch(() => {})
  process.kill(first.pidOf('keeper'), 'SIGKILL')
  await first.line(/keeper is locked/)
  const again = await first.appliance.connect(till)
  while ((await again.status().catch(() => ({ state: '' }))).state !== 'locked') await sleep(20)
  // its start may take longer than the first wait, and each wait is twice the one before; a keeper that had forgotten the
  // tries would hear five more
  let code = ''
  for (let i = 0; i < 4 && code !== 'too-many-tries'; i++)
    code = await (await first.appliance.connect(till)).unlock(wrong).then(
      () => 'unlocked',
      error => error.code,
    )
  t.equal(code, 'too-many-tries', 'the keeper was killed')
  t.match(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' }, 'each for itself')
  await first.appliance.close()
  await first.stop()
})

t.test('addresses', async t => {
  t.test('When they were refused often, then that is remembered', async t => {
    let now = 1e12
    const directory = t.testdir()
    const refusals = await Refusals.load(directory, 2, () => now)
    for (let i = 0; i < 4; i++) refusals.refused('192.0.2.1')
    t.notOk(refusals.mayConnect('192.0.2.1'))
    t.ok(refusals.mayConnect('192.0.2.2'))
    t.ok(refusals.mayConnect(undefined), 'a serial line has no address')
    await refusals.settled()
    const later = await Refusals.load(directory, 2, () => now)
    t.notOk(later.mayConnect('192.0.2.1'))
    now += 61_000
    t.ok(later.mayConnect('192.0.2.1'))
  })

  t.test('When the file is damaged, then it starts anew', async t => {
    for (const content of ['', '{', '[["a"]]', '[[1,2,3]]', 'null'])
      t.ok((await Refusals.load(t.testdir({ 'refusals.json': content }))).mayConnect('a'), content)
  })

  t.test('When strangers knock on the LAN, then their address has to wait', async t => {
    const directory = await temporaryDirectory()
    t.teardown(directory.remove)
    const card = await flashCard(directory.path, '')
    const processes = await startProcesses(directory.path, { freeRefusals: 5 })
    t.teardown(processes.stop)
    await processes.appliance.provision(card)
    await processes.appliance.close()
    const port = Number(new URL(processes.appliance.addresses[0]!).port)
    /** What a stranger without a certificate sees: refused in TLS, or not even that. */
    const knock = () =>
      new Promise<string>(resolve => {
        const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
        let greeted = false
        socket.once('secureConnect', () => {
          greeted = true
        })
        socket.once('error', () => {})
        socket.once('close', () => resolve(greeted ? 'handshake' : 'nothing'))
        socket.resume()
      })
    const seen: string[] = []
    for (let i = 0; i < 8; i++) seen.push(await knock())
    t.same(seen.slice(0, 5), Array(5).fill('handshake'))
    t.ok(
      seen.slice(6).every(what => what === 'nothing'),
      seen.join(' '),
    )
    const raw = connectTcp(port, '127.0.0.1')
    raw.on('error', () => {})
    raw.resume().write(randomBytes(16))
    await new Promise(resolve => raw.once('close', resolve))
  })
})
