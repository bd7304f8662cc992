/** `claviger flash` and `claviger image`: the administrator's half here, the other half on the card, and the hand-over. */
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseProvision } from '../../appliance/provision.ts'
import { assertBuilder } from '../../host-agent/cli/builder.ts'
import { readProfile } from '../../host-agent/client/profile.ts'
import { smallImage } from '../image/small-image.ts'
import { runner } from './run.ts'

const directory = t.testdir({ home: {}, other: {}, image: {} })
const home = join(directory, 'home')
const run = runner(home)
const small = smallImage(join(directory, 'image'))
const lan = smallImage(join(directory, 'image'), 'lan', 'lan')
const { offset, size } = small.manifest.regions.find(({ except }) => except)!.except!

/** Only that stretch: a card has 1.4 GB. */
async function provisionOf(card: string): Promise<string> {
  await using file = await open(card)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, offset)
  return buffer.toString('utf8', 0, bytesRead)
}

const enrolments = async () => (await readdir(home)).filter(name => name.endsWith('.json'))

t.test('When a card does not come about, then no enrolment is left for it', async t => {
  const card = join(directory, 'card')
  const flash = ['flash', small.path, card]
  const cases: [args: string[], status: number, message: RegExp][] = [
    [['flash'], 2, /IMAGE is missing/],
    [['flash', small.path], 2, /CARD is missing/],
    [[...flash, '--as', 'Bad!', '--unsigned'], 2, /Bad! cannot be a name/],
    [[...flash, '--at', 'usb:'], 2, /unknown option '--at'/],
    [[...flash, '--provision', 'x', '--device', 'y'], 2, /--as, --device and --namespace are for a new card/],
    [flash, 1, /image: name the public key of the release with --key\nhint: /],
    [[...flash, '--key', lan.key], 1, /image: the signature of the manifest does not hold/],
    [['flash', small.path, '/dev/null', '--key', small.key], 1, /neither a block device nor a file/],
    [[...flash, '--key', small.key, '--address', 'eth0=10.0.0.2/8'], 1, /a dongle has no network/],
  ]
  for (const [args, status, message] of cases)
    t.match(await run(args), { status, stdout: '', stderr: message }, `${message}`)
  t.same(await enrolments(), [])
  await t.rejects(stat(card), { code: 'ENOENT' })
})

t.test('When a card is flashed, then it names the owner whose key stays here', async t => {
  const card = join(directory, 'card.img')
  const args = ['flash', small.path, card, '--key', small.key, '--device', 'back office']
  const { status, stdout, stderr } = await run(args)
  t.equal(status, 0, stderr)
  t.equal(stdout, `${card} is a card of yours\n`)
  t.match(stderr, /is small, read back and compared\nhint: .*then: claviger provision --at ADDRESS\nhint: /)
  const profile = await readProfile(home, 'owner')
  const told = parseProvision(await provisionOf(card))
  t.match(told, { name: 'back office' })
  t.same([...told.namespaces.keys()], ['default'])
  t.equal(Buffer.from(told.claim).toString('base64url'), profile.claim)
  t.match(profile, { role: 'administrator', device: '', addresses: [] })

  const again = await run(args)
  t.match(again, {
    status: 2,
    stderr:
      /has an enrolment owner already\nhint: choose another name with --as; or remove .*owner\.json, if/,
  })
  const interrupted = await run([...args, '--as', 'second'])
  t.match(interrupted, { status: 1, stderr: /no terminal to ask on\nhint: a script says --yes card\.img/ })
  t.same(await enrolments(), ['owner.json'], 'the enrolment of a card that is there stays')
})

t.test('When a LAN box has two shops and a network, then the card has them, too', async t => {
  const card = join(directory, 'lan.card')
  const shops = ['--namespace', 'default', '--namespace', 'shop-b', '--as', 'boss']
  const network = ['--address', 'eth0=192.168.1.5/24']
  const done = await run(['flash', lan.path, card, '--unsigned', '--json', ...shops, ...network])
  t.equal(done.status, 0, done.stderr)
  t.same(JSON.parse(done.stdout), {
    card,
    enrolments: [
      { name: 'boss', namespace: 'default' },
      { name: 'boss-shop-b', namespace: 'shop-b' },
    ],
  })
  const file = JSON.parse(await provisionOf(card))
  t.same(file.addresses, { eth0: ['192.168.1.5/24'] })
  t.match(file.namespaces, [{ namespace: 'default' }, { namespace: 'shop-b' }])
})

t.test('When provision.json was made before, then that one goes onto the card', async t => {
  const card = join(directory, 'third.card')
  const elsewhere = runner(join(directory, 'other'))
  const file = join(directory, 'provision.json')
  t.match(await elsewhere(['provision', '--write', file]), { status: 0 })
  t.match(await run(['flash', small.path, card, '--key', small.key, '--provision', file]), { status: 0 })
  t.equal((await provisionOf(card)).trimEnd(), (await readFile(file, 'utf8')).trimEnd())
  t.same((await readdir(home)).includes('third.json'), false)
})

t.test('When the image builder is asked for, then it gets its arguments; without one it says so', async t => {
  const verify = ['image', 'verify', small.path, '--manifest', small.manifestPath, '--key', small.key]
  t.match(await run(verify), { status: 0, stderr: /5 regions compared/ })
  t.match(await run(['image', 'help']), { status: 0, stdout: /image flash IMAGE CARD/ })
  t.match(await run(['image', 'frobnicate']), { status: 2, stderr: /^image build/ })
  t.match(await run(['image', '--help']), { status: 0, stderr: /claviger image COMMAND/ })
  t.throws(() => assertBuilder(join(directory, 'nowhere')), /not part of this installation/)
})
