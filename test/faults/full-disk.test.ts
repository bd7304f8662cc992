/** A device whose disk is full: it says so, does nothing that it cannot write down, and goes on when there is room. */
import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { connectProfile } from '../../host-agent/client/connect.ts'
import { memoryWitness } from '../../host-agent/client/witness-file.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'

t.test('When the disk is full, then nothing opens until there is room again', async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const data = join(directory.path, 'd')
  spawnSync('mkdir', [data])
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'claviger-test', data])
  if (mounted.status !== 0) {
    return t.pass('skipped', { skip: 'only root may mount a small file system' })
  }
  t.teardown(() => spawnSync('umount', ['-l', data]))
  const card = await flashCard(data, '')
  const processes = await startProcesses(data)
  t.teardown(processes.stop)
  const { appliance } = processes
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('orders')
  const till = await appliance.connect(await appliance.enrol('till-1', 'operator', ['orders']))
  const seal = sealer(key.versions[0]!.publicKey)
  const open = (record: string) =>
    till
      .decrypt({
        purpose: 'charge',
        items: [{ ciphertext: seal({ field: 'f', record }, record), context: { field: 'f', record } }],
      })
      .then(({ results }) => results[0]!.value)
  t.equal(await open('r/1'), 'r/1')
  const witness = memoryWitness()
  await (await connectProfile(appliance.admin, { witness })).close()
  t.ok(await witness.read())

  const ballast = join(data, 'ballast')
  await writeFile(ballast, Buffer.alloc(4_194_304)).catch(() => {})
  // What is left of the last page of the log's file is still room.
  let refusal: { code?: string } = {}
  for (let i = 0; i < 40 && !refusal.code; i++) refusal = await open(`r/${i}`).catch(error => error)
  t.match(refusal, { code: 'audit-unavailable', status: 503 })
  await t.rejects(open('r/2'), { code: 'audit-unavailable' })
  t.equal((await admin.status()).state, 'operational', 'it still answers')
  const again = await connectProfile(appliance.admin, { witness })
  t.ok(await again.auditCheckpoint(), 'whoever witnesses the log is let in')
  await again.close()
  t.match(await admin.lockdown('the disk is full'), { state: 'lockdown' }, 'the button works all the same')
  t.match(await admin.liftLockdown(PASSPHRASE), { state: 'locked' }, 'room is kept for administrators')

  await rm(ballast)
  await admin.unlock({ passphrase: PASSPHRASE })
  // The disk is asked once a second whether there is room.
  while ((await open('r/3').catch(() => '')) === '') await sleep(100)
  const { size, entries } = await admin.auditEntries({ from: 0, limit: 1000 })
  t.same(
    entries.map(line => JSON.parse(line).index),
    Array.from({ length: size }, (_, i) => i),
    'the log has no gap',
  )
  await appliance.close()
})
