/** The key file: one form, one error, bounds on what it may ask for, and a whole file at every instant. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import {
  formatKeyFile,
  type KeyFile,
  newHeader,
  openKeyFile,
  parseKeyFile,
  sealKeyFile,
  stretchHeader,
} from '../../host-agent/client/sources/key-file.ts'
import { changeKeyFile, readKeyFile } from '../../host-agent/client/sources/key-file-disk.ts'
import {
  createKey,
  decodeRing,
  encodeRing,
  type KeyRing,
  MAX_VERSIONS,
  rotateKey,
} from '../../host-agent/client/sources/key-ring.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { bareNode } from '../support/environment.ts'

const CHILD = fileURLToPath(new URL('key-file-child.ts', import.meta.url))
const CHEAP = { m: 64, t: 1, p: 1 }
const WORDS = 'four words in a file'
const REFUSED = { code: 'key-file-refused' }

function ringOf(...names: string[]): KeyRing {
  const ring: KeyRing = { namespace: 'default', keys: [] }
  for (const name of names) createKey(ring, name, 'x', 1_700_000_000)
  return ring
}

const ring = ringOf('orders', 'staff')
rotateKey(ring, 'orders', 1_700_000_001)
const header = newHeader(CHEAP)
const key = await stretchHeader(WORDS, header)
const file = sealKeyFile(ring, header, key)
const text = formatKeyFile(file)

/** Bytes as hex, whichever class holds them. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_name, each) => {
      if (each?.type === 'Buffer') return Buffer.from(each.data).toString('hex')
      return each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each
    }),
  )

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyFile: fc.Arbitrary<KeyFile> = fc
  .record({
    p: fc.integer({ min: 1, max: 4 }),
    t: fc.integer({ min: 1, max: 16 }),
    m: fc.integer({ min: 32, max: 262_144 }),
  })
  .chain(cost =>
    fc.record({
      ...Object.fromEntries(Object.entries(cost).map(([name, value]) => [name, fc.constant(value)])),
      salt: bytes(16),
      nonce: bytes(12),
      sealed: fc.uint8Array({ minLength: 16, maxLength: 64 }),
    } as { [K in keyof KeyFile]: fc.Arbitrary<KeyFile[K]> }),
  )

t.test('When a file was sealed, then it opens with its passphrase to the same keys', async t => {
  t.strictSame(
    plain(openKeyFile(parseKeyFile(text), await stretchHeader(WORDS, parseKeyFile(text)))),
    plain(ring),
  )
  t.notMatch(text, /orders|staff/, 'nothing of them is readable')
  t.not(formatKeyFile(sealKeyFile(ring, header, key)), text, 'another nonce each time')
})

t.test('When parts make a file, then parsing it gives the parts', t => {
  fc.assert(
    fc.property(anyFile, parts => {
      t.strictSame(plain(parseKeyFile(formatKeyFile(parts))), plain(parts))
    }),
  )
  t.end()
})

t.test('When a text is not a key file in its one form, then there is one error', t => {
  const same = JSON.parse(text)
  const variants = [
    '',
    '{}',
    'null',
    '[]',
    '{"kdf":null}',
    text.trimEnd(),
    ` ${text}`,
    `\ufeff${text}`,
    JSON.stringify(same),
    `${JSON.stringify({ ...same, more: 1 }, null, 2)}\n`,
    `${JSON.stringify({ ...same, claviger: 'keys/2' }, null, 2)}\n`,
    `${JSON.stringify({ ...same, nonce: `${same.nonce}=` }, null, 2)}\n`,
    text.replace('"p": 1', '"p": 1, "p": 1'),
    text.replace('"p": 1', '"p": 1.0'),
    text.replace('"nonce"', '"__proto__"'),
  ]
  for (const variant of variants) t.throws(() => parseKeyFile(variant), REFUSED, variant.slice(0, 40))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map(json => `{"kdf":${json}}`),
      ),
      garbage => {
        t.throws(() => parseKeyFile(garbage), REFUSED)
      },
    ),
  )
  t.end()
})

t.test('When a file asks for more than this machine should give, then it gives nothing', t => {
  for (const hostile of [
    { m: 262_145 },
    { m: 2 ** 32 },
    { m: 1e21 },
    { m: 7 },
    { m: 64.5 },
    { m: -64 },
    { t: 0 },
    { t: 17 },
    { p: 0 },
    { p: 5 },
  ])
    t.throws(() => parseKeyFile(formatKeyFile({ ...file, ...hostile })), REFUSED, JSON.stringify(hostile))
  t.end()
})

t.test('When anything in a file is changed, then it is refused as with a wrong passphrase', async t => {
  const errorOf = (attempt: () => unknown) => {
    try {
      attempt()
    } catch (error) {
      const { code, message, hint } = error as { code: string; message: string; hint: string }
      return { code, message, hint }
    }
    return null
  }
  const wrong = await stretchHeader(`${WORDS}!`, header)
  const expected = errorOf(() => openKeyFile(file, wrong))
  t.match(expected, REFUSED)
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 127 }), (at, flip) => {
      const code = text.charCodeAt(at) ^ flip
      const damaged = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)
      // A cost that was changed gives another key, too; that takes no time here.
      t.strictSame(
        errorOf(() => openKeyFile(parseKeyFile(damaged), key)),
        expected,
        `${at}`,
      )
    }),
  )
  for (let length = 0; length < text.length; length += 7)
    t.strictSame(
      errorOf(() => parseKeyFile(text.slice(0, length))),
      expected,
    )
  t.strictSame(
    errorOf(() => openKeyFile({ ...file, sealed: file.sealed.subarray(1) }, key)),
    expected,
  )
})

t.test('When what is inside is not a ring of keys, then it is no ring', t => {
  const pkcs8 = ring.keys[0]!.versions[0]!.pkcs8
  const version = { version: 1, created: 1, pkcs8 }
  const one = { name: 'a', suite: 'x', versions: [version] }
  const rings: unknown[] = [
    null,
    [],
    {},
    { namespace: 'default', keys: [] },
    { namespace: 'Default', keys: [one] },
    { namespace: 'default', keys: [one], more: 1 },
    { namespace: 'default', keys: [one, one] },
    { namespace: 'default', keys: [{ ...one, suite: 'z' }] },
    { namespace: 'default', keys: [{ ...one, versions: [] }] },
    { namespace: 'default', keys: [{ ...one, versions: [{ ...version, version: 2 }] }] },
    { namespace: 'default', keys: [{ ...one, versions: [version, version] }] },
    { namespace: 'default', keys: [{ ...one, versions: [{ ...version, created: -1 }] }] },
    { namespace: 'default', keys: [{ ...one, versions: [{ ...version, pkcs8: 'x' }] }] },
  ]
  for (const value of rings) t.throws(() => decodeRing(encodeCbor(value as never)))
  t.strictSame(plain(decodeRing(encodeRing(ring))), plain(ring))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), garbage => t.throws(() => decodeRing(garbage)) !== false),
  )
  t.end()
})

t.test('When a key is made or rotated, then no name and no version is there twice', t => {
  const made = ringOf('a')
  t.throws(() => createKey(made, 'a', 'p', 1), { code: 'key-exists' })
  t.throws(() => rotateKey(made, 'b', 1), { code: 'unknown-key' })
  for (let i = 2; i <= MAX_VERSIONS; i++) rotateKey(made, 'a', i)
  t.throws(() => rotateKey(made, 'a', 1), { code: 'bad-source' })
  t.strictSame(plain(decodeRing(encodeRing(made))), plain(made))
  t.end()
})

const first = (old: KeyRing | null) => old ?? ringOf('orders')
const rotate = (old: KeyRing | null) => {
  rotateKey(old!, 'orders', 1)
  return old!
}

t.test('When a file is made, then only its user reads it, and nothing else is left there', async t => {
  const directory = t.testdir()
  const path = join(directory, 'keys.json')
  await t.rejects(readKeyFile(path, WORDS), { code: 'bad-source' })
  await t.rejects(changeKeyFile(path, 'too short', first, CHEAP), { code: 'malformed-request' })
  t.strictSame(await readdir(directory), [])
  const made = await changeKeyFile(path, WORDS, first, CHEAP)
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.strictSame(plain(await readKeyFile(path, WORDS)), plain(made))
  await t.rejects(readKeyFile(path, `${WORDS} `), REFUSED)
  const before = await readFile(path, 'utf8')
  await t.rejects(changeKeyFile(path, 'the wrong words here', first, CHEAP), REFUSED)
  const failing = () => {
    throw new Error('no')
  }
  await t.rejects(changeKeyFile(path, WORDS, failing, CHEAP), { message: 'no' })
  t.equal(await readFile(path, 'utf8'), before)
  t.strictSame(await readdir(directory), ['keys.json', 'keys.json.lock'])
})

t.test('When a file cannot be what it should, then it says so and changes nothing', async t => {
  const directory = t.testdir()
  const path = join(directory, 'keys.json')
  await writeFile(path, 'x'.repeat(8_388_609))
  await t.rejects(readKeyFile(path, WORDS), REFUSED)
  await t.rejects(readKeyFile(directory, WORDS), { code: 'bad-source' })
  await t.rejects(changeKeyFile(join(directory, 'none', 'keys.json'), WORDS, first, CHEAP), {
    code: 'storage-failed',
  })
  await rm(path)
  await symlink(join(directory, 'elsewhere'), path)
  await t.rejects(
    changeKeyFile(path, WORDS, first, CHEAP),
    { code: 'storage-failed' },
    'a link that leads nowhere stays',
  )
  if (process.getuid?.() !== 0) {
    const shut = join(directory, 'shut')
    await mkdir(shut)
    await chmod(shut, 0o500)
    await t.rejects(changeKeyFile(join(shut, 'keys.json'), WORDS, first, CHEAP), { code: 'storage-failed' })
  }
})

t.test('When several rotate at the same time, then one is alone, and no version is lost', async t => {
  const path = join(t.testdir(), 'keys.json')
  await changeKeyFile(path, WORDS, first, CHEAP)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, () => changeKeyFile(path, WORDS, rotate, CHEAP)),
  )
  const done = outcomes.filter(({ status }) => status === 'fulfilled').length
  t.ok(done >= 1)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected')
      t.match(outcome.reason, { code: 'bad-source', message: /another claviger/ })
  t.equal((await readKeyFile(path, WORDS)).keys[0]!.versions.length, 1 + done)
})

t.test('When a run is killed while it writes, then the file is the old one or the new one', async t => {
  const path = join(t.testdir(), 'keys.json')
  await changeKeyFile(path, WORDS, first, CHEAP)
  let versions = 1
  let left = 0
  for (let i = 0; i < 12; i++) {
    const child = spawn(...bareNode(CHILD, path, WORDS), { stdio: ['ignore', 'pipe', 'inherit'] })
    const printed = textOf(child.stdout)
    await once(child.stdout, 'data')
    await new Promise(resolve => setTimeout(resolve, Math.random() * 30))
    child.kill('SIGKILL')
    const told = Number((await printed).trim().split('\n').at(-1))
    const { keys } = await readKeyFile(path, WORDS)
    const now = keys[0]!.versions.length
    t.ok(told > versions && (now === told || now === told + 1), `told of ${told}, there are ${now}`)
    versions = now
    if ((await readdir(join(path, '..'))).includes('keys.json.new')) left++
  }
  // The last of them is followed by a run that nobody kills.
  t.equal((await changeKeyFile(path, WORDS, rotate, CHEAP)).keys[0]!.versions.length, versions + 1)
  t.strictSame((await readdir(join(path, '..'))).sort(), ['keys.json', 'keys.json.lock'])
  t.comment(`${left} of 12 were killed with the new file there, and the next went on`)
})

t.test(
  'When a run is killed between any two steps of making the first file, then the next one goes on',
  async t => {
    let [left, whole] = [0, 0]
    for (let i = 0; i < 12; i++) {
      const directory = t.testdir()
      const path = join(directory, 'keys.json')
      const child = spawn(...bareNode(CHILD, path, WORDS, '1'), { stdio: 'ignore' })
      const ended = once(child, 'exit')
      const end = performance.now() + 20_000
      // As soon as there is anything of it, at a random moment.
      while (child.exitCode === null && performance.now() < end && !(await readdir(directory)).length)
        await new Promise(resolve => setImmediate(resolve))
      await new Promise(resolve => setTimeout(resolve, Math.random() * 4))
      child.kill('SIGKILL')
      await ended
      const names = await readdir(directory)
      const isThere = names.includes('keys.json')
      if (names.includes('keys.json.new')) left++
      const made = await changeKeyFile(path, WORDS, old => old ?? ringOf('later'), CHEAP)
      if (isThere) t.equal(made.keys[0]!.name, 'orders')
      if (made.keys[0]!.name === 'orders') whole++
      t.strictSame(plain(await readKeyFile(path, WORDS)), plain(made))
      t.strictSame((await readdir(directory)).sort(), ['keys.json', 'keys.json.lock'])
    }
    t.comment(`${left} of 12 left a new file; in ${whole} the key was the one of the killed run`)
  },
)

t.test(
  'When a run left its new file, then the next one replaces it, and never the only whole copy',
  async t => {
    const directory = t.testdir()
    const path = join(directory, 'keys.json')
    const names = async () => (await readdir(directory)).sort()
    for (const torn of ['', text.slice(0, 100), 'x']) {
      await writeFile(`${path}.new`, torn)
      await t.rejects(changeKeyFile(path, 'too short', first, CHEAP), { code: 'malformed-request' })
      await writeFile(`${path}.new`, torn)
      const made = await changeKeyFile(path, WORDS, first, CHEAP)
      await writeFile(`${path}.new`, torn)
      t.equal((await changeKeyFile(path, WORDS, rotate, CHEAP)).keys[0]!.versions.length, 2)
      t.strictSame(await names(), ['keys.json', 'keys.json.lock'], `${made.keys.length}`)
      await rm(path)
    }
    await writeFile(`${path}.new`, text)
    await t.rejects(changeKeyFile(path, 'other words in here', first, CHEAP), REFUSED)
    t.strictSame(plain(await readKeyFile(path, WORDS)), plain(ring), 'nothing is known to be lost')
    const later = await changeKeyFile(path, WORDS, rotate, CHEAP)
    t.strictSame(plain(await readKeyFile(path, WORDS)), plain(later))
    const whole = await readFile(path, 'utf8')
    await writeFile(`${path}.new`, text)
    await t.rejects(changeKeyFile(path, 'the wrong words here', first, CHEAP), REFUSED)
    t.equal(await readFile(path, 'utf8'), whole, 'a left file is not put over one that is there')
  },
)
