/** A device whose disk is full: it says so, does nothing that it cannot write down, and goes on when there is room. */
import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'

t.test('When the disk is full, then nothing opens until there is room again', async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const data = join(directory.path, 'd')
  spawnSync('mkdir', [data])
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'claviger-test', data])
  if (mounted.status !== 0) {
    const why = 'a small file system can only be mounted by root'
    return process.env.CI ? t.fail(why) : t.pass('skipped', { skip: why })
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

  const ballast = join(data, 'ballast')
  await writeFile(ballast, Buffer.alloc(1_048_576)).catch(() => {})
  // What is left of the last page of the log's file is still room.
  let refusal: { code?: string } = {}
  for (let i = 0; i < 40 && !refusal.code; i++) refusal = await open(`r/${i}`).catch(error => error)
  t.match(refusal, { code: 'audit-unavailable', status: 503 })
  await t.rejects(open('r/2'), { code: 'audit-unavailable' })
  await t.rejects(admin.createKey('more'), { code: 'audit-unavailable' })
  t.equal((await admin.status()).state, 'operational', 'it still answers')
  t.match(await admin.lockdown('the disk is full'), { state: 'lockdown' }, 'the button works all the same')

  await rm(ballast)
  await admin.liftLockdown(PASSPHRASE)
  await admin.unlock({ passphrase: PASSPHRASE })
  t.equal(await open('r/3'), 'r/3')
  const { size, entries } = await admin.auditEntries({ from: 0, limit: 1000 })
  t.same(
    entries.map(line => JSON.parse(line).index),
    Array.from({ length: size }, (_, i) => i),
    'the log has no gap',
  )
  await appliance.close()
})
