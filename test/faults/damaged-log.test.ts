/** A device whose log was changed: nothing is done with it, and everybody can see why. */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { runner } from '../cli/run.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'

t.test(
  'When a bit of the log is flipped, then nothing is done, and status, health and tail tell why',
  async t => {
    const directory = await temporaryDirectory()
    t.teardown(directory.remove)
    const home = join(directory.path, 'home')
    const data = join(directory.path, 'data')
    const card = await flashCard(directory.path, '')
    const provision = join(directory.path, 'provision.json')
    await mkdir(data)
    await copyFile(provision, join(data, 'provision.json'))
    const first = await startProcesses(data)
    await first.appliance.provision(card)
    const admin = await first.appliance.connect(first.appliance.admin)
    for (let i = 0; i < 3; i++) await admin.createKey(`key-${i}`)
    await first.appliance.close()
    await first.stop()

    const log = join(data, 'audit', 'default')
    const name = (await readdir(log)).find(file => file.startsWith('entries'))!
    const lines = await readFile(join(log, name))
    const at = lines.indexOf('key-1')
    lines[at + 4]! ^= 1
    await writeFile(join(log, name), lines)
    const index = lines.subarray(0, at).toString().split('\n').length - 1

    const second = await startProcesses(data)
    t.teardown(second.stop)
    const profile = { ...first.appliance.admin, addresses: second.appliance.addresses }
    const again = await second.appliance.connect(profile)
    const named = new RegExp(`\\b${index}\\b`)
    t.match(await again.status(), { state: 'locked', reason: named })
    await t.rejects(again.unlock({ passphrase: PASSPHRASE }), { code: 'audit-unavailable' })
    // The first look at the sensors takes its time.
    while ((await again.health().catch(() => null)) === null) await sleep(50)
    t.match(await again.health(), { alarms: [{ what: 'log-damaged', why: named }] })
    const { entries } = await again.auditEntries({ from: 0, limit: 100 })
    t.equal(entries[index], lines.toString().split('\n')[index], 'what there is can be read')
    await second.appliance.close()

    await writeProfile(home, profile)
    const run = runner(home)
    t.match(await run(['status']), { status: 1, stderr: named })
    t.match(await run(['admin', 'health']), { status: 0, stdout: named })
    t.match(await run(['admin', 'audit', 'tail']), { status: 0, stdout: /key-0/ })
  },
)
