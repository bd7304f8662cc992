/** The commands about the audit log, as programs with an appliance of three processes. */

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { formatVerifierKey } from '../../protocol/audit/checkpoint.ts'
import { readEntry } from '../../protocol/audit/entry.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { runner, starter } from './run.ts'

t.test('When the commands are run, then they say and do all of that', async t => {
  const [home, data] = [await temporaryDirectory(), await temporaryDirectory()]
  const card = await flashCard(data.path, '')
  const processes = await startProcesses(data.path)
  const device = processes.appliance
  t.teardown(async () => {
    await device.close()
    await processes.stop()
    await Promise.all([home.remove(), data.remove()])
  })
  await device.provision(card)
  const owner = await device.connect(device.admin)
  const seal = sealer((await owner.createKey('orders')).versions[0]!.publicKey)
  await writeProfile(home.path, device.admin)
  await writeProfile(home.path, await device.enrol('audrey', 'auditor'))
  const till = await device.enrol('till', 'operator', ['orders'])
  const run = runner(home.path)
  const AUDIT = ['admin', 'audit']
  const AUDREY = ['--as', 'audrey']
  const folder = join(data.path, 'export')
  const context = { field: 'address.ship', record: 'o/1' }
  const ship = { purpose: 'ship', items: [{ ciphertext: seal(context, 'x'), context }] }
  const desk = await device.connect(till)
  await desk.decrypt(ship)

  const tailed = await run([...AUDIT, 'tail', '-n', '3', ...AUDREY])
  t.match(tailed, { status: 0, stderr: '' })
  t.match(tailed.stdout, /^entry +time +who +what +purpose +how many +outcome\n/)
  t.match(
    tailed.stdout,
    /\n\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +till +opened address.ship +ship +1 +allowed\n/,
  )
  t.equal(tailed.stdout.split('\n').length, 5)
  const lines = (await run([...AUDIT, 'tail', '-n', '1000', '--json'])).stdout.trim().split('\n')
  t.ok(lines.map(line => readEntry(line)).every((entry, i) => entry?.index === i))

  const follow = starter(home.path)([...AUDIT, 'tail', '-n', '1', '--follow', ...AUDREY])
  let followed = ''
  const heard = new Promise<void>(resolve => {
    createInterface({ input: follow.stdout! }).on('line', line => {
      if (line.startsWith('entry ')) void desk.decrypt({ ...ship, reason: 'a label' })
      followed += `${line}\n`
      if (/ship: a label/.test(line)) resolve()
    })
  })
  await heard
  follow.kill('SIGINT')
  t.strictSame(await once(follow, 'exit'), [0, null])
  t.ok(followed.match(/read the log/g)!.length <= 1, 'following is no news to itself')

  const exported = await run([...AUDIT, 'export', folder, ...AUDREY])
  t.match(exported, { status: 0, stdout: /holds the entries 0 to \d+, \d+ of them new, all verified\n$/ })
  const key = /--key (\S+)\n$/.exec(exported.stderr)![1]!
  t.match(JSON.parse((await run([...AUDIT, 'export', folder, '--json'])).stdout), {
    first: 0,
    added: Number,
    logKey: key,
  })

  // Offline: no enrolment, no device.
  const otherKey = formatVerifierKey('claviger/default', generateKeyPairSync('ed25519').privateKey)
  const nobody = await temporaryDirectory()
  t.teardown(nobody.remove)
  const offline = runner(nobody.path)
  await writeFile(join(nobody.path, 'log.key'), `${key}\n`)
  const verify = [...AUDIT, 'verify', folder]
  t.match(await offline([...verify, '--key', key]), {
    status: 0,
    stdout: /are what claviger\/default signed; none is missing or changed\n$/,
  })
  t.match(JSON.parse((await offline([...verify, '--key-file', 'log.key', '--json'])).stdout), {
    first: 0,
    origin: 'claviger/default',
  })
  t.match(await offline(verify), { status: 2, stderr: /not enrolled/ })
  t.match(await offline([...verify, '--key', 'x']), {
    status: 2,
    stderr: /not the public key of a log\nhint: /,
  })
  t.match(await offline([...verify, '--key', otherKey]), {
    status: 1,
    stderr: /not signed with the key of this log/,
  })
  t.match(await run(verify), { status: 0 }, 'with the key that was pinned')

  const proved = await run([...AUDIT, 'prove', '0'])
  t.match(proved, {
    status: 0,
    stdout: /made the device theirs[\s\S]*entry 0 is in the log of \d+ entries that the device has signed\n$/,
  })
  t.match(JSON.parse((await run([...AUDIT, 'prove', '1', '--json'])).stdout), {
    index: 1,
    proven: true,
    checkpoint: /^claviger/,
  })
  t.match(await run([...AUDIT, 'prove', '999999']), { status: 1, stderr: /the signed log has \d+ entries/ })
  t.match(await run([...AUDIT, 'archive', folder]), {
    status: 0,
    stdout: 'nothing was dropped\n',
    stderr: /^hint: entries stay for 31 days/,
  })

  for (const [args, message] of [
    [['tail', '-n', '0'], /-n takes a number/],
    [['tail', 'x'], /tail takes no x/],
    [['tail', '--key', 'x'], /--key is not for admin audit tail/],
    [['export'], /DIR is missing/],
    [['burn'], /there is no admin audit burn/],
    [['prove', 'one'], /one is not the number of an entry/],
    [['verify', join(folder, 'nowhere'), '--key', key], /cannot be read: ENOENT/],
  ] as [string[], RegExp][])
    t.match(await run([...AUDIT, ...args]), { status: 2, stdout: '', stderr: message })

  const lines0 = join(folder, 'entries-000000000.jsonl')
  await writeFile(lines0, (await readFile(lines0, 'utf8')).replace('"provision"', '"pr0vision"'))
  const tampered = await offline([...verify, '--key', key, '--json'])
  t.match(tampered, { status: 1, stderr: /entry 0 is not what the device wrote/ })
  t.match(JSON.parse(tampered.stdout), { error: { code: 'audit-damaged' } })

  await owner.lock()
  t.match(await run([...AUDIT, 'tail', '-n', '2']), { status: 0, stdout: /locked/ })
  await owner.unlock({ passphrase: PASSPHRASE })
})
