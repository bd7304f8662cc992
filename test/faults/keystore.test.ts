/** A device whose keystore is damaged, and the tries of two agents who had one name. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { flashCard, PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

t.test(
  'When the keystore is damaged, then agents hear so, nothing opens, and the file stays as it is',
  async t => {
    const directory = await temporaryDirectory()
    t.teardown(() => directory.remove())
    const card = await flashCard(directory.path, '')
    const before = await startProcesses(directory.path)
    await before.appliance.provision(card)
    const { admin } = before.appliance
    await before.appliance.close()
    await before.stop()

    const file = join(directory.path, 'keystore', 'default')
    const damaged = await readFile(file)
    damaged[40]! ^= 1
    await writeFile(file, damaged)

    const after = await startProcesses(directory.path)
    t.teardown(() => after.stop())
    t.teardown(() => after.appliance.close())
    const owner = await after.appliance.connect({ ...admin, addresses: after.appliance.addresses })
    const { state, reason } = await owner.status()
    t.equal(state, 'failed')
    t.match(reason, /damaged|checksum|keystore|header/, reason ?? '')
    await t.rejects(owner.unlock({ passphrase: 'does not matter' }), { code: 'wrong-state', state: 'failed' })
    await t.rejects(owner.listKeys(), { code: 'wrong-state' })
    t.same(await readFile(file), damaged)
  },
)

t.test(
  'When an agent is revoked and its name given to another, then it cannot use up the other’s tries',
  async t => {
    const device = await startInProcess()
    t.teardown(() => device.stop())
    const { appliance } = device
    const admin = await appliance.connect(appliance.admin)
    await admin.createKey('orders')
    const first = await appliance.enrol('till', 'operator', ['orders'], PIN)
    await admin.revoke('till')
    const second = await appliance.enrol('till', 'operator', ['orders'], PIN)
    await admin.changeSettings({ tries: { free: 1000, first: 1, longest: 1 } })
    await admin.lock()

    const old = await appliance.connect(first, { retryFor: 0 })
    for (let i = 0; i < 9; i++)
      await t.rejects(old.unlock({ pin: '0000', hostShare: first.hostShare! }), { code: 'unknown-agent' })
    const till = await appliance.connect(second)
    t.same(await till.unlock({ pin: PIN, hostShare: second.hostShare! }), { state: 'operational' })
  },
)
