/** The recovery sheet: what is on it, what never is, and that no name breaks out of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { fingerprintGroups } from '../../host-agent/cli/fingerprint.ts'
import { openNamed, openUnnamed, slug } from '../../host-agent/cli/sheet/file.ts'
import { recoverySheet, type SheetFacts } from '../../host-agent/cli/sheet/sheet.ts'
import { readProfile } from '../../host-agent/client/profile.ts'
import { escapeHtml } from '../../host-agent/shop/labels/html.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { unlessThere } from '../image/tools.ts'
import { PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { runner } from './run.ts'

const FACTS: SheetFacts = {
  ...{
    device: 'back office',
    pin: Buffer.alloc(32, 0xa5),
    namespace: 'shop-b',
    administrator: 'owner-shop-b',
  },
  ...{ enrolment: '~/.config/claviger/owner-shop-b.json', addresses: ['https://192.0.2.5:8443', 'usb:00ff'] },
  ...{ date: '2026-11-23', logKey: 'claviger/shop-b+0011+AAAA' },
  key: { name: 'orders', publicKey: 'clvp1:x:shop-b:orders:1:AAAA' },
}

t.test('When a sheet is made, then every fact is on it, and how things are lost', async t => {
  const page = recoverySheet(FACTS)
  const { device, namespace, administrator, enrolment, addresses, date, logKey, key } = FACTS
  for (const text of [
    device,
    namespace,
    administrator,
    enrolment,
    ...addresses,
    date,
    logKey!,
    key!.publicKey,
  ])
    t.match(page, text)
  t.equal(page.match(/<span>a5a5<\/span>/g)?.length, 16)
  for (const lost of ['Stolen device', 'Lost workstation', 'Forgotten PIN', 'Forgotten passphrase'])
    t.match(page, `<th>${lost}</th>`)
  t.match(page, /There is no backup yet, and no recovery but the passphrase/)
  t.equal(page.match(/class="line"/g)?.length, 3, 'room for the passphrase')
  t.match(page, /@page/)
  t.notMatch(recoverySheet({ ...FACTS, key: null, logKey: undefined }), /Public key of|Key of the log/)
})

t.test('When a sheet is printed, then nothing is loaded and nothing runs', async t => {
  const page = recoverySheet({ ...FACTS, addresses: [] })
  t.notMatch(page, /<(script|img|link|iframe|object|form|base)|src=|url\(|@import|https?:|\son\w+=/i)
  t.match(page, /default-src 'none'/)
})

t.test('When names hold markup, then they are text', async t => {
  const tags = (page: string) => page.match(/<[^>]*>/g)!.map(tag => tag.split(/[ >]/)[0])
  const plain = tags(recoverySheet(FACTS))
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('</td><script>alert(1)</script>'))
  fc.assert(
    fc.property(text, text, text, (device, administrator, publicKey) => {
      const key = { name: administrator, publicKey }
      t.same(tags(recoverySheet({ ...FACTS, device, administrator, enrolment: device, key })), plain)
    }),
    { numRuns: 50 },
  )
  t.equal(escapeHtml(`<a href="x">'&'\u0007`), '&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\ufffd')
})

t.test('When a pin is shown, then it begins with the serial number', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), pin => {
      const groups = fingerprintGroups(pin)
      t.equal(groups.length, 16)
      t.equal(groups.slice(0, 4).join(''), deviceSerial(pin))
      t.equal(groups.join(''), Buffer.from(pin).toString('hex'))
    }),
    { numRuns: 20 },
  )
})

t.test('When there is a sheet already, then it is not written over, unless it was named', async t => {
  const directory = t.testdir({ here: {} })
  const here = join(directory, 'here')
  for (const expected of ['claviger-recovery-back-office.html', 'claviger-recovery-back-office-2.html']) {
    const file = await openUnnamed([join(directory, 'nowhere'), here], 'Back office!', 'default')
    await file.write('page')
    t.equal(file.path, join(here, expected))
  }
  t.match((await openUnnamed([here], '..', 'shop-b')).path, /claviger-recovery-device-shop-b\.html$/)
  await t.rejects(openUnnamed([join(directory, 'nowhere')], 'x', 'default'), /cannot be written anywhere/)
  await t.rejects(openNamed(here), /cannot be written: EISDIR/)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), name => /^[a-z0-9][a-z0-9-]*$/.test(slug(name))))

  const named = join(directory, 'named.html')
  await writeFile(named, 'an old and longer page')
  await (await openNamed(named)).discard()
  t.equal(await readFile(named, 'utf8'), 'an old and longer page', 'what was there stays there')
  await (await openNamed(named)).write('new page')
  t.equal(await readFile(named, 'utf8'), 'new page')
  await (await openNamed(join(directory, 'fresh.html'))).discard()
  await t.rejects(stat(join(directory, 'fresh.html')), { code: 'ENOENT' })
})

t.test(
  'When a device becomes somebody’s, then the first key and the sheet are made, without a secret',
  async t => {
    const [home, data] = await Promise.all([temporaryDirectory(), temporaryDirectory()])
    t.teardown(() => Promise.all([home.remove(), data.remove()]))
    await mkdir(join(home.path, 'sheets'))
    const run = runner(home.path)
    const card = join(data.path, 'provision.json')
    t.match(await run(['provision', '--write', card, '--device', 'Desk <1>']), { status: 0 })
    const { claim } = await readProfile(home.path, 'owner')
    const away = [
      'provision',
      '--at',
      'https://127.0.0.1:1',
      '--passphrase-fd',
      '3',
      '--sheet',
      'sheets/a.html',
    ]
    t.match(await run(away, { secret: PASSPHRASE }), { status: 1, stderr: /no appliance answers/ })
    t.same(await readdir(join(home.path, 'sheets')), [], 'no sheet of a device that did not answer')

    const processes = await startProcesses(data.path)
    t.teardown(() => processes.stop())
    const provision = ['provision', '--at', processes.appliance.addresses[0]!, '--passphrase-fd', '3']
    t.match(await run([...provision, '--first-key', 'Bad!'], { secret: PASSPHRASE }), { status: 2 })
    const done = await run([...provision, '--first-key', 'orders', '--sheet', 'sheets/desk.html'], {
      secret: PASSPHRASE,
    })
    t.equal(done.status, 0, done.stderr)
    const profile = await readProfile(home.path, 'owner')
    const groups = fingerprintGroups(Buffer.from(profile.device, 'base64url'))
    t.match(done.stdout, `fingerprint: ${groups.join(' ')}\n`)
    const [, publicKey = ''] = /^public key of orders: (clvp1:\S+)$/m.exec(done.stdout) ?? []
    const page = await readFile(join(home.path, 'sheets/desk.html'), 'utf8')
    t.match(page, publicKey)
    t.match(page, '<h1>Recovery sheet: Desk &lt;1&gt;</h1>')
    const secrets = [PASSPHRASE, claim!, ...profile.key.split('\n').filter(line => line.length > 20)]
    for (const secret of secrets) t.notOk(page.includes(secret) || done.stdout.includes(secret))
    t.match(await run(['admin', 'key', 'list']), { status: 0, stdout: /orders/ })
  },
)

const MAIN = fileURLToPath(new URL('../../host-agent/cli/main.ts', import.meta.url))

t.test(
  'When a person provisions on a terminal, then the first key is asked for, and the sheet lies here',
  { skip: unlessThere('script') },
  async t => {
    const [home, data] = await Promise.all([temporaryDirectory(), temporaryDirectory()])
    t.teardown(() => Promise.all([home.remove(), data.remove()]))
    const card = join(data.path, 'provision.json')
    t.match(await runner(home.path)(['provision', '--write', card, '--device', 'Desk']), { status: 0 })
    const processes = await startProcesses(data.path)
    t.teardown(() => processes.stop())
    const command = [process.execPath, MAIN, 'provision', '--at', processes.appliance.addresses[0]!]
    const child = spawn('script', ['-qec', command.map(word => `'${word}'`).join(' '), '/dev/null'], {
      cwd: home.path,
      env: { ...process.env, NODE_OPTIONS: '', CLAVIGER_HOME: home.path },
    })
    const ended = once(child, 'close')
    const answers: [prompt: RegExp, answer: string][] = [
      [/\(8 characters or more\): /, PASSPHRASE],
      [/more\) again: /, PASSPHRASE],
      [/name of the first key, - for none \(orders\): /, ''],
    ]
    let said = ''
    for await (const chunk of child.stdout) {
      said += chunk
      const [next] = answers
      if (!next?.[0].test(said)) continue
      answers.shift()
      child.stdin.write(`${next[1]}\r`)
    }
    t.equal((await ended)[0], 0, said)
    t.same(answers, [])
    t.match(said, /public key of orders: clvp1:/)
    t.match(said, /recovery sheet: \S+claviger-recovery-desk\.html/)
    t.notMatch(said, PASSPHRASE)
    t.match(await readFile(join(home.path, 'claviger-recovery-desk.html'), 'utf8'), 'Public key of orders')
  },
)
