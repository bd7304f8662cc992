/** From a card to enrolled machines, as programs: one device with several namespaces that know nothing of each other. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readProfile } from '../../host-agent/client/profile.ts'
import { readCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { runner } from './run.ts'

const home = await temporaryDirectory()
const data = await temporaryDirectory()
t.teardown(() => Promise.all([home.remove(), data.remove()]))
const run = runner(home.path)
const CARD = join(data.path, 'provision.json')

t.test(
  'When a card cannot be as it is asked for, then the exit status is 2, and nothing is written',
  async t => {
    const WRITE = ['provision', '--write', CARD]
    const cases: [args: string[], message: RegExp][] = [
      [[...WRITE, '--namespace', 'a.b'], /a\.b cannot be a namespace/],
      [[...WRITE, '--namespace', 'Shop'], /Shop cannot be a namespace/],
      [[...WRITE, '--namespace', 'a', '--namespace', 'a'], /the namespace a is given twice/],
      [[...WRITE, '--namespace', 'n'.repeat(32)], /owner-n+ cannot be a name/],
      [[...WRITE, '--as', 'Bad!'], /Bad! cannot be a name/],
      [['provision', '--namespace', 'a', '--at', 'https://127.0.0.1:1'], /--namespace is for --write/],
      [['provision'], /not enrolled/],
    ]
    await Promise.all(
      cases.map(async ([args, message]) => {
        t.match(await run(args), { status: 2, stdout: '', stderr: message }, `${message}`)
      }),
    )
    await t.rejects(readFile(CARD), { code: 'ENOENT' })
  },
)

t.test('When a card names two shops, then each has its own owner, passphrase, keys and log', async t => {
  const written = await run([
    'provision',
    '--write',
    CARD,
    '--device',
    'box',
    '--namespace',
    'default',
    '--namespace',
    'shop-b',
  ])
  t.match(written, {
    status: 0,
    stderr:
      /then: claviger provision --at ADDRESS --as owner\nhint: and claviger provision --at ADDRESS --as owner-shop-b\n$/,
  })
  t.match(await run(['provision', '--write', CARD, '--namespace', 'shop-b']), {
    status: 2,
    stderr: /has an enrolment owner-shop-b already/,
  })
  const processes = await startProcesses(data.path)
  t.teardown(() => processes.stop())
  const at = ['--at', processes.appliance.addresses[0]!]
  const provision = ['provision', ...at, '--passphrase-fd', '3']
  t.match(await run(provision, { secret: 'the first passphrase' }), {
    status: 2,
    stderr: /several enrolments.*\n.*owner, owner-shop-b/,
  })
  const first = await run([...provision, '--as', 'owner', '--json'], { secret: 'the first passphrase' })
  t.match(JSON.parse(first.stdout), { name: 'owner', namespace: 'default' })
  // The one that is left needs no name.
  const second = await run(provision, { secret: 'the second passphrase' })
  t.match(second, { status: 0, stdout: /namespace shop-b is yours, owner-shop-b\n$/ })

  const created = await run(['admin', 'key', 'create', 'orders', '--as', 'owner-shop-b'])
  t.match(created, { status: 0, stdout: /clvp1:x:shop-b:orders:1:/ })
  t.match(await run(['admin', 'key', 'list', '--as', 'owner']), { status: 0, stderr: /no keys yet/ })
  t.match(await run(['lockdown', '--as', 'owner']), { status: 0 })
  t.match(await run(['lockdown']), { status: 2, stderr: /several enrolments/ }, 'which shop must be clear')
  const status = await run(['status', '--json'])
  t.match(JSON.parse(status.stdout), {
    enrolments: [
      { enrolment: 'owner', state: 'lockdown' },
      { enrolment: 'owner-shop-b', state: 'operational' },
    ],
  })
  const lift = ['lockdown', 'lift', '--as', 'owner', '--secret-fd', '3']
  t.match(await run(lift, { secret: 'the second passphrase' }), { status: 1 })
  t.match(await run(lift, { secret: 'the first passphrase' }), { status: 0 })

  const invited = await run(['admin', 'agent', 'invite', 'till', '--as', 'owner-shop-b', '--json'])
  const { invitation } = JSON.parse(invited.stdout)
  // Of a machine that was enrolled under this name before, with another device.
  const foreign = '– not a checkpoint of this log\n'
  await writeFile(join(home.path, 'till.checkpoint'), foreign)
  const enrolled = await run(['enrol', invitation, '--pin-fd', '3', '--json'], { secret: PIN })
  t.match(JSON.parse(enrolled.stdout), { name: 'till', namespace: 'shop-b' })
  const profiles = await Promise.all(
    ['owner', 'owner-shop-b', 'till'].map(name => readProfile(home.path, name)),
  )
  t.match(
    profiles.map(({ logKey }) => logKey?.split('+')[0]),
    ['claviger/default', 'claviger/shop-b', 'claviger/shop-b'],
  )
  t.equal(profiles[1]!.logKey, profiles[2]!.logKey)

  const desk = await run(['status', '--as', 'till', '--json'])
  t.match(desk, { status: 0 })
  const seen = await readFile(join(home.path, 'till.checkpoint'), 'utf8')
  t.equal(readCheckpoint(seen).origin, 'claviger/shop-b')
  await run(['lock', '--as', 'till'])
  t.match(await run(['unlock', '--as', 'till', '--secret-fd', '3'], { secret: PIN }), {
    status: 0,
    stdout: 'the device is operational\n',
  })
  t.ok(
    readCheckpoint(await readFile(join(home.path, 'till.checkpoint'), 'utf8')).size >
      readCheckpoint(seen).size,
  )

  await writeFile(join(home.path, 'till.checkpoint'), 'damaged\n')
  const damaged = await run(['status', '--as', 'till', '--json'])
  t.match(damaged, { status: 1 })
  t.match(JSON.parse(damaged.stdout), { enrolments: [{ state: 'bad-checkpoint', hint: /damaged/ }] })
})
