/** The commands of administrators, and what operators see of them, as programs with an appliance of three processes. */
import { createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Encrypter } from 'age-encryption'
import { compactDecrypt, exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { isLuhn } from '../../host-agent/cli/decoy.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { parseInvitation } from '../../protocol/identity/invitation.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { runner } from './run.ts'

const home = await temporaryDirectory()
const data = await temporaryDirectory()
const card = await flashCard(data.path, '')
const processes = await startProcesses(data.path)
const { appliance } = processes
t.teardown(async () => {
  await appliance.close()
  await processes.stop()
  await Promise.all([home.remove(), data.remove()])
})
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
const seal = sealer((await admin.createKey('orders')).versions[0]!.publicKey)
// Most of what is tried here is refused, and nobody shall wait for that.
await admin.changeSettings({ tries: { free: 100, first: 1, longest: 60 } })
const profiles = [
  appliance.admin,
  await appliance.enrol('till', 'operator', [], '2468'),
  await appliance.enrol('audrey', 'auditor'),
]
for (const profile of profiles) await writeProfile(home.path, profile)
const run = runner(home.path)

const CARD = '4242424242424242'
const token = seal({ field: 'card.number', record: 'cards/1' }, CARD)
const OPEN = ['open', '--as', 'till', '--purpose', 'charge', '--field', 'card.number', '--record', 'cards/1']
const ADD = ['admin', 'grant', 'add', 'till', '--key', 'orders', '--field', 'card.*', '--purpose', 'charge']
const passphrase = { secret: PASSPHRASE }

/** Runs a command with --json and gives its document. */
async function json(args: string[], input = {}): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await run([...args, '--json'], input)
  t.equal(status, 0, `${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}

t.test(
  'When an agent is invited, then it can open nothing, and the hint says what would change that',
  async t => {
    const invited = await run(['admin', 'agent', 'invite', 'desk'])
    t.match(invited, {
      status: 0,
      stderr: /hint: it can open nothing yet: claviger admin grant add desk --key KEY/,
    })
    t.match(parseInvitation(invited.stdout), { name: 'desk', role: 'operator' })
    t.match(await run(['admin', 'agent', 'invite', 'desk2', '--key', 'orders']), { status: 2 })
    const listed = await run(['admin', 'agent', 'list'])
    t.match(listed.stdout, /^name +role +since\n/)
    t.match(listed.stdout, /\ndesk +operator .* invited, until /)
    t.match(await run([...OPEN, token]), {
      status: 1,
      stdout: '',
      stderr:
        /^claviger: no grant allows this\nhint: ask an administrator; claviger admin grant explain tells why\n$/,
    })
  },
)

t.test(
  'When a grant is added, listed, explained and removed, then each says what there is to know',
  async t => {
    t.match(await run(['admin', 'grant', 'list']), {
      status: 0,
      stdout: '',
      stderr: /nobody can open anything/,
    })
    const added = await run([
      ...ADD,
      '--reveal',
      'last4',
      '--budget',
      'day=200',
      '--hours',
      'mon-sun 00:00-24:00 UTC',
    ])
    t.match(added, { status: 0, stderr: '' })
    const id = /^(\S+): till may see card\.\* under orders for charge \(last4\)\n$/.exec(added.stdout)![1]!
    const listed = await run(['admin', 'grant', 'list', '--as', 'audrey'])
    t.match(listed.stdout, /^id +agent +key +fields +purposes +reveal +budget +hours +touch\n/)
    t.match(
      listed.stdout,
      new RegExp(
        `\n${id} +till +orders +card\\.\\* +charge +last4 +day=200records +mon-sun 00:00-24:00 UTC +no\n`,
      ),
    )
    t.match(await json(['admin', 'grant', 'list']), {
      grants: [{ id, budgets: [{ per: 'day', records: 200 }] }],
    })

    const EXPLAIN = [
      'admin',
      'grant',
      'explain',
      '--agent',
      'till',
      '--key',
      'orders',
      '--field',
      'card.number',
    ]
    const why = await run([...EXPLAIN, '--purpose', 'charge'])
    t.match(why, {
      status: 1,
      stdout: `refused: till, card.number under orders, for charge, full: no grant allows this\n  ${id}  no: gives the value in other ways: last4\n`,
    })
    const allowed = await run([...EXPLAIN, '--purpose', 'charge', '--reveal', 'last4', '--as', 'audrey'])
    t.match(allowed, {
      status: 0,
      stdout: new RegExp(`^allowed: .*\n {2}${id} {2}allows it, and decides\n$`),
    })
    t.match(JSON.parse((await run([...EXPLAIN, '--purpose', 'spy', '--json'])).stdout), {
      allowed: false,
      code: 'not-granted',
      rules: [{ grant: id, outcome: 'purpose' }],
    })

    const touching = await run([...ADD, '--reveal', 'mask', '--touch'])
    const touch = /^(\S+): .* \(mask\), once the button of the device was pressed\n$/.exec(
      touching.stdout,
    )![1]!
    t.match((await run(['admin', 'grant', 'list'])).stdout, new RegExp(`\n${touch} .* always +yes\n`))
    t.match(await run([...EXPLAIN, '--purpose', 'charge', '--reveal', 'mask']), {
      status: 1,
      stdout: new RegExp(
        `not pressed\n(.*\n)? {2}${touch} +no: the button must be pressed, and the device has none\n$`,
      ),
      stderr: /^hint: the device was started without --button/,
    })
    t.match(await run([...OPEN, '--reveal', 'mask', token]), {
      status: 1,
      stderr: /^claviger: the button of the device was not pressed\nhint: ask again and press the button/,
    })
    await run(['admin', 'grant', 'remove', touch])

    t.match(await run([...OPEN, '--reveal', 'last4', token]), { status: 0, stdout: /4242\n$/ })
    t.match(await run(['admin', 'grant', 'remove', id]), {
      status: 0,
      stdout: `the grant ${id} is removed\n`,
    })
    t.match(await run(['admin', 'grant', 'remove', id]), {
      status: 1,
      stderr: /there is no grant g\d+\nhint: claviger admin grant list shows them/,
    })
    t.match(await run([...ADD, '--reveal', 'full', '--as', 'till']), {
      status: 1,
      stderr: /role of the caller/,
    })
  },
)

t.test(
  'When a value is revealed in part, compared or forwarded, then never more of it comes out',
  async t => {
    const { publicKey, privateKey } = await generateKeyPair('ECDH-ES', { crv: 'X25519', extractable: true })
    const jwk = await exportJWK(publicKey)
    const file = join(data.path, 'processor.json')
    writeFileSync(file, JSON.stringify(jwk))
    const registered = await run(['admin', 'recipient', 'add', 'processor', '--jwk', file])
    t.match(registered, { status: 0, stderr: /compare the thumbprint of its key with them: [\w-]{43}\n/ })
    t.match(
      (await run(['admin', 'recipient', 'list'])).stdout,
      /processor +OKP X25519 +\d{4}-\d\d-\d\d +[\w-]{43}\n/,
    )

    const { grant } = await json([...ADD, '--reveal', 'mask', '--reveal', 'equals', '--reveal', 'forward'])
    const masked = await run([...OPEN, '--reveal', 'mask', '--keep', '2', token])
    t.match(masked, { status: 0, stdout: /42\n$/ })
    t.notMatch(masked.stdout, /424/)
    const compare = [...OPEN, '--reveal', 'equals', '--candidate-fd', '3', token]
    t.match(await run(compare, { secret: CARD }), { status: 0, stdout: 'true\n' })
    t.match(await run(compare, { secret: '4111111111111111' }), { status: 0, stdout: 'false\n' })
    t.strictSame(await json(compare, { secret: CARD }), { equals: true })
    const forward = ['--reveal', 'forward', '--recipient', 'processor']
    const { stdout: jwe } = await run([...OPEN, ...forward, token])
    const { plaintext } = await compactDecrypt(jwe.trim(), privateKey)
    t.equal(Buffer.from(plaintext).toString(), CARD)
    t.match(await json([...OPEN, ...forward, token]), { jwe: /^ey/ })
    t.match(await run([...OPEN, '--reveal', 'forward', '--recipient', 'nobody', token]), {
      status: 1,
      stderr: /there is no such recipient\nhint: claviger admin recipient list/,
    })
    t.match(await run([...OPEN, token]), { status: 1, stderr: /no grant allows this/ })

    const rows = ['id,number', `1,${token}`, `2,${token}`, ''].join('\n')
    const ROWS = [
      ...OPEN.slice(0, 5),
      '--rows',
      'csv',
      '--column',
      'number=card.number',
      '--record',
      'cards/{id}',
    ]
    t.match(
      await run([...ROWS, '--reveal', 'equals', '--candidate-fd', '3'], { stdin: rows, secret: CARD }),
      {
        status: 1,
        stdout: 'id,number,claviger_error\n1,true,\n2,,number:open-failed\n',
      },
    )
    t.match(await run([...ROWS, '--reveal', 'mask', '--keep', '1'], { stdin: rows }), {
      stdout: /\n1,[^\d,]+2,\n/,
    })

    t.match(await run(['admin', 'recipient', 'remove', 'processor']), { status: 0 })
    t.match(await run(['admin', 'recipient', 'list']), { status: 0, stdout: '', stderr: /no recipients yet/ })
    await admin.removeGrant((grant as { id: string }).id)
  },
)

t.test(
  'When a budget is used up, then it says when there is room, and an auditor sees it coming',
  async t => {
    const tokens = [1, 2, 3, 4].map(i => seal({ field: 'card.number', record: `cards/${i}` }, CARD))
    const { grant } = await json([...ADD, '--reveal', 'full', '--budget', 'hour=2records'])
    const stdin = ['id,number', ...tokens.map((text, i) => `${i + 1},${text}`), ''].join('\n')
    const ROWS = [
      ...OPEN.slice(0, 5),
      '--rows',
      'csv',
      '--column',
      'number=card.number',
      '--record',
      'cards/{id}',
    ]
    // The last row comes alone, when the input ends: nothing of that request fits, so there is no use in going on.
    const rows = await run(ROWS, { stdin })
    t.match(rows, {
      status: 1,
      stdout: `id,number,claviger_error\n1,${CARD},\n2,${CARD},\n3,,number:over-budget\n`,
    })
    t.match(
      rows.stderr,
      /^claviger: stopped; 3 rows .*over-budget 1.*\nclaviger: the budget for charge is used up\nhint: there is room again (at|on \S+ at) \d\d:\d\d:\d\d\n$/,
    )
    const one = await run([...OPEN, '--record', 'cards/3', tokens[2]!])
    t.match(one, {
      status: 1,
      stderr:
        /^claviger: the budget for charge is used up\nhint: there is room again (at|on \S+ at) \d\d:\d\d:\d\d\n$/,
    })
    const health = await run(['admin', 'health', '--as', 'audrey'])
    t.match(health.stdout, /\nagent +purpose +in a +records left +operations left\ntill +charge +hour +0\n/)
    t.match(health.stdout, /\nlog +\d+ entries; /)
    t.match(health.stdout, /\ndecisions +.*allowed \d+/)
    t.match(await run(['admin', 'health', '--as', 'till']), { status: 1, stderr: /the role of the caller/ })
    const document = JSON.parse((await run(['admin', 'health', '--json', '--as', 'owner'])).stdout)
    t.match(document, { budgets: [{ agent: 'till', records: 0 }], log: { size: Number }, alarms: Array })
    await admin.removeGrant((grant as { id: string }).id)
  },
)

t.test(
  'When the panic button is pressed, then it takes an administrator and the passphrase to go on',
  async t => {
    const panic = await run(['lockdown', '--as', 'till', '--reason', 'a stranger at the desk'])
    t.match(panic, {
      status: 0,
      stdout: /in lockdown/,
      stderr: /^hint: an administrator lifts it: claviger admin lockdown lift\n$/,
    })
    t.match(await run([...OPEN, token]), {
      status: 1,
      stderr:
        /^claviger: the device is in lockdown\nhint: an administrator lifts it: claviger admin lockdown lift\n$/,
    })
    t.match(await run(['unlock', '--as', 'owner', '--secret-fd', '3'], passphrase), {
      status: 1,
      stdout: /is lockdown already/,
    })
    t.match(await run(['admin', 'lockdown', 'lift', '--as', 'till', '--secret-fd', '3'], passphrase), {
      status: 1,
    })
    const wrong = await run(['admin', 'lockdown', 'lift', '--secret-fd', '3'], { secret: 'not this one' })
    t.match(wrong, { status: 1, stderr: /the device was not unlocked/ })
    const lifted = await run(['admin', 'lockdown', 'lift', '--secret-fd', '3'], passphrase)
    t.match(lifted, { status: 0, stdout: 'the lockdown is lifted; the device is locked\n' })
    t.match(await run(['unlock', '--as', 'owner', '--secret-fd', '3'], passphrase), { status: 0 })
    t.match(await run(['lockdown', 'lift']), {
      status: 0,
      stdout: 'there is no lockdown; the device is operational\n',
    })
    t.match(
      (await run(['admin', 'health', '--as', 'owner'])).stdout,
      /\nlockdown +\d{4}-.* a stranger at the desk\n/,
    )

    // Without --as every enrolment will do, also where one was revoked or its file is damaged.
    await writeProfile(home.path, { ...appliance.admin, name: 'aaron', certificate: 'x', key: 'x' })
    writeFileSync(join(home.path, 'broken.json'), '{')
    const again = await run(['admin', 'lockdown', '--json'])
    t.match(again, { status: 0, stdout: '{"state":"lockdown"}\n' })
    const { rmSync } = await import('node:fs')
    for (const name of ['aaron', 'broken']) rmSync(join(home.path, `${name}.json`))
    t.match(await json(['lockdown', 'lift', '--secret-fd', '3'], passphrase), { state: 'locked' })
    await admin.unlock({ passphrase: PASSPHRASE })
  },
)

t.test('When a canary is opened, then the device locks down', async t => {
  const CANARY = ['admin', 'key', 'canary', 'orders', '--field', 'card.number', '--record', 'cards/99']
  const made = await run(CANARY)
  t.match(made, {
    status: 0,
    stdout: /^clv1\.x\.orders\.1\.[\w-]+\n$/,
    stderr: /its decoy is 400000\d{10}\nhint: put it/,
  })
  const other = await json([...CANARY, '--value', '4111111111111111'])
  t.match(other, { value: '4111111111111111', record: 'cards/99' })
  t.ok(isLuhn(String((await json(CANARY)).value)))
  t.match(await run(CANARY.with(5, 'address.ship')), {
    status: 2,
    stderr: /no made-up value for address.ship\nhint: .*--value/,
  })

  await json([...ADD, '--reveal', 'full'])
  await run([...OPEN, '--record', 'cards/99', made.stdout.trim()])
  t.match(await admin.status(), { state: 'lockdown' })
  t.match((await run(['admin', 'health', '--as', 'owner'])).stdout, /\ncanary opened +\d{4}-/)
  await json(['lockdown', 'lift', '--secret-fd', '3'], passphrase)
  await admin.unlock({ passphrase: PASSPHRASE })
})

t.test(
  'When a key is made for one use, then its public half is printed as those programs read it',
  async t => {
    const create = (name: string, ...flags: string[]) => run(['admin', 'key', 'create', name, ...flags])
    for (const [name, suite, prefix] of [
      ['files-x', 'x', 'age1'],
      ['files-p', 'p', 'age1tag1'],
      ['files-q', 'q', 'age1pq1'],
    ] as const) {
      t.match(await create(name, '--suite', suite, '--files'), { status: 0, stdout: /\bfiles\b/ })
      const { stdout } = await run(['admin', 'key', 'recipients', name, '--as', 'till'])
      const [title, recipient, ...more] = stdout.trimEnd().split('\n')
      t.equal(title, `# ${name}@1`)
      t.same(more, [])
      t.ok(recipient!.startsWith(prefix))
      new Encrypter().addRecipient(recipient!)
    }
    t.match(await create('boxes', '--contextless'), { status: 0 })
    t.match(await create('raw', '--suite', 'p', '--derive'), { status: 0 })
    for (const name of ['boxes', 'raw', 'orders']) {
      const { recipients } = (await json(['admin', 'key', 'recipients', name])) as {
        recipients: { kid: string; jwk: object; pem: string; age?: string }[]
      }
      const [{ kid, jwk, pem, age }] = recipients as [(typeof recipients)[0]]
      t.equal(kid, `${name}@1`)
      t.equal(age, undefined)
      const { kid: _, alg, use, ...bare } = jwk as Record<string, string>
      t.same([alg, use], ['ECDH-ES', 'enc'])
      t.same(createPublicKey(pem).export({ format: 'jwk' }), bare, 'the PEM is the same key')
    }
    const listed = await run(['admin', 'key', 'list'])
    t.match(listed.stdout, /^key +for +version /)
    t.match(listed.stdout, /\nboxes +contextless +1 /)
    t.match(await create('both', '--files', '--derive'), {
      status: 2,
      stderr: /a key is for one of --contextless/,
    })
    t.match(await create('none', '--suite', 'q', '--derive'), {
      status: 1,
      stderr: /suite q is not for derive/,
    })
    t.match(await run(['admin', 'key', 'rotate', 'boxes', '--files']), {
      status: 2,
      stderr: /--files is for admin key create/,
    })
    const granted = await run([
      'admin',
      'grant',
      'add',
      'till',
      '--key',
      'raw',
      '--field',
      'a',
      '--purpose',
      'b',
      '--reveal',
      'derive',
    ])
    t.match(granted, { status: 0, stdout: /till is given raw secrets as a under raw/ })
  },
)

t.test('When settings are changed, then the others stay', async t => {
  const before = await json(['admin', 'settings', 'show', '--as', 'audrey'])
  t.match(before, { tries: { free: Number, first: Number, longest: Number } })
  const changed = await run(['admin', 'settings', 'set', '--free', '7', '--longest', '600'])
  t.match(changed, {
    status: 0,
    stdout: /^after 7 refused tries the next one waits \d+ s, .* up to 600 s\n$/,
  })
  const { first } = (before as { tries: { first: number } }).tries
  t.strictSame(await json(['admin', 'settings', 'show']), { tries: { free: 7, first, longest: 600 } })
})

t.test('When nothing was printed about it, then no enrolment holds a passphrase or a PIN', t => {
  for (const name of ['owner', 'till', 'audrey']) {
    const text = readFileSync(join(home.path, `${name}.json`), 'utf8')
    t.notMatch(text, new RegExp(`${PASSPHRASE}|2468"`))
    t.match(text, /"logKey": "claviger\/default\+/)
  }
  t.end()
})
