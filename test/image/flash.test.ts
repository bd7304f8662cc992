/** `image flash` as a program: files as cards, loop devices as disks, and a kill in the middle. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CARD_BYTES, STATE_NEW, STATE_SECTOR } from '../../image-build/disk/layout.ts'
import { SECTOR } from '../../image-build/disk/mbr.ts'
import { bareNode } from '../support/environment.ts'
import { head, pack, smallImage } from './small-image.ts'
import { unlessThere } from './tools.ts'

const MAIN = fileURLToPath(new URL('../../image-build/main.ts', import.meta.url))
const directory = t.testdir()
const small = smallImage(directory)
const lan = smallImage(directory, 'lan', 'lan')
const OURS = ['--provision', small.provision, '--key', small.key]

function start(...args: string[]): ChildProcess {
  return spawn(...bareNode(MAIN, 'flash', ...args), { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(...args: string[]): Promise<{ status: number | null; stderr: string }> {
  const child = start(...args)
  const [[status], stderr] = await Promise.all([once(child, 'close'), text(child.stderr!)])
  return { status, stderr }
}

const provisionAt = small.manifest.regions.find(({ except }) => except)!.except!.offset

/** What a card has to hold, as far as the image goes. */
function expected(provision: string): Buffer {
  const bytes = Buffer.from(small.bytes)
  bytes.write(provision, provisionAt)
  return bytes
}

t.test(
  'When the card is a file, then it is made, holds the image and the owner’s file, and is the release',
  async t => {
    const card = join(directory, 'new.card')
    const { status, stderr } = await run(small.path, card, ...OURS)
    t.equal(status, 0, stderr)
    t.match(stderr, /is small, read back and compared\n$/)
    t.equal(statSync(card).size, CARD_BYTES)
    t.ok(statSync(card).blocks * 512 < 64 * 2 ** 20, 'it is sparse')
    const written = head(card, small.bytes.length)
    t.ok(written.equals(expected(readFileSync(small.provision, 'utf8'))))
    t.equal(written.toString('latin1', STATE_SECTOR * SECTOR).slice(0, STATE_NEW.length), STATE_NEW)
    const place = written.subarray(provisionAt, provisionAt + 65_536)
    t.match(place.toString().trimEnd(), /^\{[\s\S]*\}$/)
    t.equal(place.at(-1), 0x0a)
    const verify = spawnSync(
      ...bareNode(MAIN, 'verify', card, '--manifest', small.manifestPath, '--key', small.key),
      { encoding: 'utf8' },
    )
    t.match(verify.stderr, /is small: 5 regions compared/)
    t.equal(verify.status, 0)
  },
)

t.test(
  'When the image is packed and the file in use before, then all of it is replaced, and mtools reads provision.json',
  { skip: unlessThere('zstd', 'mtype') },
  async t => {
    const card = join(directory, 'used.card')
    writeFileSync(card, Buffer.alloc(small.bytes.length + 4096, 0xaa))
    const { status, stderr } = await run(
      pack(small.path),
      card,
      ...OURS,
      '--yes',
      'used.card',
      '--size',
      '2G',
    )
    t.equal(status, 0, stderr)
    t.match(stderr, /all that is on it will be erased/)
    t.equal(statSync(card).size, 2 ** 31)
    t.ok(head(card, small.bytes.length).equals(expected(readFileSync(small.provision, 'utf8'))))
    const { stdout } = spawnSync('mtype', ['-i', `${card}@@1M`, '::provision.json'], { encoding: 'utf8' })
    t.same(JSON.parse(stdout), JSON.parse(readFileSync(small.provision, 'utf8')))
  },
)

t.test('When the card was in a started device, then it says what is lost with it', async t => {
  const path = join(directory, 'keys.card')
  const said = async () => (await run(small.path, path, ...OURS, '--yes', 'keys.card')).stderr
  await run(small.path, path, ...OURS)
  const card = openSync(path, 'r+')
  writeSync(card, 'claviger-state 1\ndata=made\n', STATE_SECTOR * SECTOR)
  closeSync(card)
  t.match(await said(), /card of a device that was started[\s\S]*will be erased/)
  t.notMatch(await said(), /was started/, 'not of one that was only flashed')
})

t.test('When a LAN box has a network, then it stands in provision.json', async t => {
  const card = join(directory, 'lan.card')
  const network = join(directory, 'network.json')
  writeFileSync(network, '{"interfaces":[{"name":"eth0","subnets":["192.168.1.0/24"]}]}')
  const args = ['--network', network, '--address', 'eth0=192.168.1.5/24', '--address', 'eth0=10.0.0.2/8']
  const { status, stderr } = await run(lan.path, card, '--provision', lan.provision, '--unsigned', ...args)
  t.equal(status, 0, stderr)
  const file = head(card, lan.bytes.length).subarray(provisionAt, provisionAt + 65_536)
  t.same(JSON.parse(file.toString()), {
    ...JSON.parse(readFileSync(lan.provision, 'utf8')),
    network: { interfaces: [{ name: 'eth0', subnets: ['192.168.1.0/24'] }] },
    addresses: { eth0: ['192.168.1.5/24', '10.0.0.2/8'] },
  })
})

t.test('When something does not fit together, then it says so and writes nothing', async t => {
  const card = join(directory, 'refused.card')
  const put = (name: string, contents: string | Uint8Array) => {
    const path = join(directory, name)
    writeFileSync(path, contents)
    return path
  }
  const card0 = JSON.parse(readFileSync(small.provision, 'utf8'))
  const other = Buffer.from(small.bytes)
  other[5000] = 1
  const bad = put('other.img', other)
  const cut = put('cut.img.zst', readFileSync(pack(small.path)).subarray(0, 4_000_000))
  const like = ['--manifest', small.manifestPath, ...OURS]
  let count = 0
  const provision = (contents: string) => [
    ...['--provision', put(`${count++}.json`, contents)],
    ...['--key', small.key],
  ]
  const onLan = ['--provision', lan.provision, '--key', lan.key]
  const used = put('occupied.card', 'something')
  const cases: [args: string[], message: RegExp][] = [
    [[small.path], /say which image, and which card\nhint: such as/],
    [[small.path, card, '--key', small.key], /say which provision\.json/],
    [[small.path, card, '--provision', small.provision], /with --key\nhint: say --unsigned/],
    [
      [small.path, card, '--provision', small.provision, '--key', lan.key],
      /signature of the manifest does not/,
    ],
    [[small.path, card, '--provision', 'nowhere', '--key', small.key], /nowhere cannot be read: ENOENT/],
    [[join(directory, 'no.img'), card, ...OURS], /no\.manifest\.json cannot be read: ENOENT\nhint: /],
    [[small.manifestPath, card, ...OURS], /neither an \.img nor an \.img\.zst/],
    [[bad, card, ...like], /is not small: its SHA-256 is another\nhint: nothing was written/],
    [[cut, card, ...like], /cut\.img\.zst cannot be read/],
    [[small.path, card, ...provision('{')], /is not a JSON object\nhint: /],
    [[small.path, card, ...provision('{}')], /"name" must be/],
    [[small.path, card, ...provision(JSON.stringify({ ...card0, x: 'x'.repeat(65_500) }))], /64 KiB/],
    [[small.path, card, ...provision(JSON.stringify({ ...card0, x: 'é'.repeat(33_000) }))], /room for 65535/],
    [[small.path, card, ...OURS, '--address', 'eth0=10.0.0.2/8'], /a dongle has no network/],
    [[lan.path, card, ...onLan, '--address', 'eth0'], /"eth0" is not an address of an interface/],
    [[lan.path, card, ...onLan, '--address', 'eth0=10.0.0.2'], /is not an address such as/],
    [[lan.path, card, ...onLan, '--address', 'eth1=10.0.0.2/8'], /eth1, which is no interface of the LAN/],
    [[lan.path, card, ...onLan, '--network', put('n.json', '{"interfaces":[{}]}')], /interface 1: "name"/],
    [[small.path, card, ...OURS, '--size', '1G'], /the layout needs/],
    [[small.path, used, ...OURS], /there is no terminal to ask on\nhint: a script says --yes occupied\.card/],
    [[small.path, used, ...OURS, '--yes', 'sdb'], /--yes says sdb, but the card is occupied\.card/],
    [[small.path, small.path, ...OURS], /is the image itself/],
  ]
  for (let i = 0; i < cases.length; i += 2)
    await Promise.all(
      cases.slice(i, i + 2).map(async ([args, message]) => {
        const { status, stderr } = await run(...args)
        t.equal(status, 1, `${message}`)
        t.match(stderr, new RegExp(`image: .*${message.source}`))
      }),
    )
  t.throws(() => statSync(card), { code: 'ENOENT' })
  t.equal(readFileSync(used, 'utf8'), 'something')
})

t.test(
  'When a person is asked, then only the name of the card goes on',
  { skip: unlessThere('script') },
  async t => {
    const card = join(directory, 'asked.card')
    writeFileSync(card, 'old')
    const ask = (answer: string) => {
      const quoted = [process.execPath, MAIN, 'flash', small.path, card, ...OURS]
        .map(arg => `'${arg}'`)
        .join(' ')
      const env = { ...process.env, NODE_OPTIONS: '' }
      return spawnSync('script', ['-qec', quoted, '/dev/null'], {
        input: `${answer}\n`,
        encoding: 'utf8',
        env,
      })
    }
    const no = ask('yes')
    t.match(no.stdout, /type asked\.card to go on:/)
    t.match(no.stdout, /that is not asked\.card: nothing was written/)
    t.equal(no.status, 1)
    t.equal(readFileSync(card, 'utf8'), 'old')
    const yes = ask('asked.card')
    t.equal(yes.status, 0, yes.stdout)
    t.match(yes.stdout, /\[#{24}\] 100 %/, 'with a bar')
  },
)

t.test('When it is killed or interrupted while it writes, then the first block is empty', async t => {
  const card = join(directory, 'killed.card')
  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    writeFileSync(card, Buffer.alloc(4096, 0xbb))
    truncateSync(card, CARD_BYTES)
    const child = start(small.path, card, ...OURS, '--yes', 'killed.card')
    const ended = once(child, 'close')
    let said = ''
    for await (const chunk of child.stderr!) {
      said += chunk
      if (said.includes('write ') && !child.killed) {
        // The line comes before the first block is emptied.
        while (head(card)[0] !== 0) await new Promise(resolve => setImmediate(resolve))
        child.kill(signal)
      }
    }
    const [status, how] = await ended
    if (signal === 'SIGKILL') t.equal(how, 'SIGKILL')
    else {
      t.equal(status, 1)
      t.match(said, /killed\.card is not usable: interrupted\nhint: .*flash it again\n$/)
    }
    t.ok(head(card).equals(Buffer.alloc(SECTOR)), signal)
  }
})
