/**
 * The keeper as a process of its own, with OpenSSL's secure heap: private keys are in it and leave it when they are
 * forgotten, and what is stretched is stretched elsewhere (docs/decisions/stretching-in-the-gate.md).
 */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { flashCard, PASSPHRASE, PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const FLAGS = ['--secure-heap=65536', '--secure-heap-min=2', '--expose-gc']
const child = fileURLToPath(new URL('secure-heap-child.ts', import.meta.url))

/** Fields of /proc/pid/status in KiB: VmLck is locked into memory, VmHWM the most that was ever resident. */
async function memoryOf(pid: number): Promise<Record<'VmLck' | 'VmHWM' | 'VmRSS', number>> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1])
  return { VmLck: field('VmLck'), VmHWM: field('VmHWM'), VmRSS: field('VmRSS') }
}

t.test('When keys are imported, then they are in the secure heap, and gone once forgotten', async t => {
  const { stdout } = await promisify(execFile)(...bareNode(...FLAGS, child))
  const figures = JSON.parse(stdout)
  const { idle } = figures
  t.equal(figures.total, 65_536)
  t.equal(figures.start, 0)
  t.ok(idle > 0 && idle <= 512, `the random generator alone takes ${idle} bytes`)
  for (const name of ['authority', 'x', 'p', 'q', 'rsa']) {
    t.ok(figures[name] > idle, `${name}: ${figures[name]} bytes are in use`)
    t.equal(figures[`${name} forgotten`], idle, `${name} is gone after collection`)
  }
  t.comment(`an imported key of 4,096 bits takes ${figures.rsa - figures.authority} bytes`)
  t.ok(figures.rsa - figures.authority < 4096, 'a dozen imported keys have room')
  t.ok(figures.x > figures.authority, 'a field key is there beside the authority')
  const steps = figures.updates.slice(1).map((used: number, i: number) => used - figures.updates[i])
  t.equal(new Set(steps).size, 1, 'each new key takes the same, and no generation of the others stays')
  t.same(figures.unchanged, [figures.updates.at(-1)], 'updates do not fill the heap')
  t.equal(figures.locked, idle, 'a lock empties it')
  t.match(
    figures.argon2,
    /secure malloc failure/,
    'there is no room for argon2id, which is why the gate does it',
  )
})

t.test('When a device runs at full cost, then it unlocks, and the keeper stays small', async t => {
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path, { fullCost: true })
  const { appliance } = processes
  t.teardown(async () => {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  })
  const keeper = processes.pidOf('keeper')
  const command = (await readFile(`/proc/${keeper}/cmdline`, 'utf8')).split('\0')
  t.same(command.slice(1, 1 + FLAGS.length), FLAGS, 'the flags of the test are those of the keeper')
  const before = await memoryOf(keeper)
  t.ok(before.VmLck >= 64, `${before.VmLck} KiB are locked into memory`)

  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  await admin.createKey('orders', 'x')
  const profile = await appliance.enrol('till-1', 'operator', ['orders'], PIN)
  const till = await appliance.connect(profile)
  const hostShare = profile.hostShare!
  t.same(await admin.lock(), { state: 'locked' })
  await t.rejects(admin.unlock({ passphrase: 'wrong horse battery' }), { code: 'unlock-refused' })
  await t.rejects(admin.unlock({ passphrase: 'short' }), {
    code: 'malformed-request',
    message: /8 to 1024 characters/,
  })
  t.same(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
  await admin.lock()
  await t.rejects(till.unlock({ passphrase: PASSPHRASE }), { code: 'wrong-role' })
  await t.rejects(till.unlock({ pin: '1111', hostShare }), { code: 'unlock-refused', hint: /^7 tries/ })
  t.same(await till.unlock({ pin: PIN, hostShare }), { state: 'operational' })
  const grown = (await memoryOf(keeper)).VmHWM - before.VmRSS
  t.ok(grown < 32 * 1024, `the keeper grew by ${grown} KiB at most; one argon2id takes 65,536`)
  t.equal(processes.pidOf('keeper'), keeper, 'it is the same process as in the beginning')
})

t.test('When a PIN was wrong too often, then its slot is gone, and the passphrase still opens', async t => {
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path)
  const { appliance } = processes
  t.teardown(async () => {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  })
  await appliance.provision(card)
  const profile = await appliance.enrol('till-1', 'operator', [], PIN)
  const other = await appliance.enrol('till-2', 'operator', [])
  const admin = await appliance.connect(appliance.admin)
  await admin.changeSettings({ tries: { free: 1000, first: 1, longest: 1 } })
  await admin.lock()
  const till = await appliance.connect(profile)
  const hostShare = profile.hostShare!
  for (let left = 7; left >= 0; left--)
    await t.rejects(till.unlock({ pin: '1111', hostShare }), { code: 'unlock-refused' })
  await t.rejects(till.unlock({ pin: PIN, hostShare }), { code: 'slot-destroyed' })
  const without = await appliance.connect(other)
  await t.rejects(without.unlock({ pin: PIN, hostShare }), { code: 'unlock-refused' }, 'there is no slot')
  t.same(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
})
