/** The plugin's two state machines, without a device: what age may send, and what it is told. The keys are held by the test. */
import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import * as age from 'age-encryption'
import * as vectors from 'cctv-age'
import t from 'tap'
import { FramingError, StanzaReader } from '../../../host-agent/plugins/age/framing.ts'
import {
  type AgeIdentity,
  formatIdentity,
  parseIdentity,
} from '../../../host-agent/plugins/age/identity-string.ts'
import { type Opener, unwrapFileKeys } from '../../../host-agent/plugins/age/identity-v1.ts'
import { wrapFileKeys } from '../../../host-agent/plugins/age/recipient-v1.ts'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { bech32Decode } from '../../../protocol/envelope/age/bech32.ts'
import { ageRecipient } from '../../../protocol/envelope/age/recipient.ts'
import { parseStanza, type Stanza } from '../../../protocol/envelope/age/stanza.ts'
import { openAgeStanza, readAgeStanza } from '../../../protocol/envelope/age/unwrap.ts'
import type { FieldPrivateKey } from '../../../protocol/envelope/keys.ts'
import { importRaw, keyPair } from '../../protocol/envelope-keys.ts'
import { stanza, talk } from './talk.ts'

t.setTimeout(60_000)

const LETTERS = ['x', 'p', 'q'] as const
const KEYS = { x: keyPair('x25519'), p: keyPair('p256'), q: keyPair('xwing') }
const FILE_KEY = Buffer.from('0123456789abcdef')

const identityOf = (suite: (typeof LETTERS)[number], publicKey: Uint8Array): AgeIdentity => ({
  serial: '0123456789abcdef',
  enrolment: 'desk-1',
  key: 'files',
  version: 3,
  purpose: 'files',
  suite,
  publicKey,
})
const IDENTITIES = {
  x: formatIdentity(identityOf('x', KEYS.x.publicKey)),
  p: formatIdentity(identityOf('p', KEYS.p.publicKey)),
  q: formatIdentity(identityOf('q', KEYS.q.publicKey)),
}

/** Keys of the test in place of a device; counts what reaches them. */
function holder(keys: readonly FieldPrivateKey[]): Opener & { asked: number } {
  const opener = {
    asked: 0,
    async open({ publicKey }: AgeIdentity, text: string) {
      opener.asked++
      const key = keys.find(each => Buffer.from(each.publicKey).equals(publicKey))
      try {
        return openAgeStanza(key!, readAgeStanza(parseStanza(text))!)
      } catch {
        return null
      }
    },
  }
  return opener
}
const everyKey = () => holder(LETTERS.map(letter => KEYS[letter].privateKey))

const unwrap = (opener: Opener, said: readonly Stanza[], size?: number) =>
  talk(conversation => unwrapFileKeys(conversation, opener), said, size ? { size } : {})

/** As age sends the stanzas of a file. */
const sent = (file: number, stanzas: readonly { args: readonly string[]; body: Uint8Array }[]) =>
  stanzas.map(({ args, body }) => stanza(['recipient-stanza', String(file), ...args], body))

async function wrapTo(identity: string, ...more: Stanza[]): Promise<Stanza[]> {
  return talk(wrapFileKeys, [
    stanza(['add-identity', identity]),
    stanza(['grease-x', 'y']),
    stanza(['wrap-file-key'], FILE_KEY),
    ...more,
  ])
}
const wrapped = (said: readonly Stanza[]): Stanza[] =>
  said
    .filter(({ args }) => args[0] === 'recipient-stanza')
    .map(({ args, body }) => ({ args: args.slice(2) as [string], body }))

const GREASE = [stanza(['grease-1', 'a', 'b'], 'body'), stanza(['x'], 'y'.repeat(500))]

t.test('When a key of any kind is wrapped to, then it is unwrapped again, in pieces of any size', async t => {
  for (const letter of LETTERS) {
    const own = wrapped(await wrapTo(IDENTITIES[letter]))
    t.equal(own.length, 1)
    const said = [
      ...GREASE,
      stanza(['add-identity', IDENTITIES[letter]]),
      ...sent(0, [stanza(['ssh-ed25519', 'AAAA'], 'z'.repeat(5000)), ...own]),
      ...GREASE,
    ]
    for (const size of [1, 7, 64, undefined])
      t.match(await unwrap(everyKey(), said, size), [{ args: ['file-key', '0'], body: FILE_KEY }], letter)
  }
})

t.test('When a stock age reads what the plugin wrapped, then it opens, and the other way round', async t => {
  for (const letter of ['x', 'q'] as const) {
    const native = await (letter === 'x' ? age.generateX25519Identity() : age.generateHybridIdentity())
    const raw = bech32Decode(native.toLowerCase())!.bytes
    const privateKey = importRaw(letter === 'x' ? 'x25519' : 'xwing', raw)
    const { publicKey } = privateKey
    const identity = formatIdentity(identityOf(letter, publicKey))
    const encrypter = new age.Encrypter()
    encrypter.addRecipient({
      wrapFileKey: async key => {
        const said = [stanza(['add-identity', identity]), stanza(['wrap-file-key'], key)]
        return wrapped(await talk(wrapFileKeys, said)).map(
          ({ args, body }) => new age.Stanza([...args], body),
        )
      },
    })
    const decrypter = new age.Decrypter()
    decrypter.addIdentity(native)
    t.equal(await decrypter.decrypt(await encrypter.encrypt('the books'), 'text'), 'the books')

    const theirs = new age.Encrypter()
    theirs.addRecipient(ageRecipient(letter, publicKey))
    const ours = new age.Decrypter()
    ours.addIdentity(pluginIdentity([identity], holder([privateKey])))
    t.equal(await ours.decrypt(await theirs.encrypt('the books'), 'text'), 'the books')
  }
})

/** The plugin in place of a native identity of age. */
function pluginIdentity(identities: readonly string[], opener: Opener): age.Identity {
  return {
    async unwrapFileKey(stanzas) {
      const said = [...identities.map(text => stanza(['add-identity', text])), ...sent(0, stanzas)]
      const heard = await unwrap(opener, said)
      const fault = heard.find(({ args }) => args[0] === 'error')
      if (fault) throw new Error(Buffer.from(fault.body).toString())
      const found = heard.find(({ args }) => args[0] === 'file-key')
      return found ? found.body : null
    },
  }
}

t.test('When the vectors of CCTV come through the plugin, then each ends as it says', async t => {
  let counted = 0
  for (const [name, bytes] of Object.entries(vectors as unknown as Record<string, Uint8Array>)) {
    const all = Buffer.from(bytes)
    const end = all.indexOf('\n\n')
    const fields = all.toString('latin1', 0, end).split('\n')
    const get = (wanted: string) =>
      fields.find(line => line.startsWith(`${wanted}: `))?.slice(wanted.length + 2)
    const natives = fields.filter(line => line.startsWith('identity: ')).map(line => line.slice(10))
    if (natives.length === 0) continue
    counted++
    const body = all.subarray(end + 2)
    const file = get('compressed') === 'zlib' ? inflateSync(body) : body
    const keys = natives.map(native => {
      const { prefix, bytes: raw } = bech32Decode(native.toLowerCase())!
      return importRaw(prefix === 'age-secret-key-pq-' ? 'xwing' : 'x25519', raw)
    })
    const decrypter = new age.Decrypter()
    const texts = keys.map(({ suite, publicKey }) => formatIdentity(identityOf(suite, publicKey)))
    decrypter.addIdentity(pluginIdentity(texts, holder(keys)))
    const plain = get('armored') ? age.armor.decode.bind(null, file.toString('latin1')) : () => file
    const opened = await Promise.resolve()
      .then(async () => decrypter.decrypt(plain()))
      .catch((error: Error) => error)
    if (get('expect') === 'success') {
      const found =
        opened instanceof Error ? opened.message : createHash('sha256').update(opened).digest('hex')
      t.equal(found, get('payload'), name)
    } else t.ok(opened instanceof Error, `${name}: ${get('expect')}`)
  }
  t.ok(counted > 90, `${counted} vectors`)
})

t.test(
  'When a stanza is for another, then nothing is said, and where it tells, nothing is asked',
  async t => {
    const stranger = { x: keyPair('x25519'), p: keyPair('p256'), q: keyPair('xwing') }
    for (const letter of LETTERS) {
      const theirs = wrapped(await wrapTo(formatIdentity(identityOf(letter, stranger[letter].publicKey))))
      const opener = everyKey()
      const said = [...LETTERS.map(each => stanza(['add-identity', IDENTITIES[each]])), ...sent(0, theirs)]
      t.same(await unwrap(opener, said), [], letter)
      t.equal(opener.asked, letter === 'p' ? 0 : 1, 'its tag, or its type, says for which key it may be')
    }
  },
)

t.test('When several files come, then each gets its key, and a damaged one its error alone', async t => {
  const [good] = wrapped(await wrapTo(IDENTITIES.p))
  const [plain] = wrapped(await wrapTo(IDENTITIES.x))
  const flipped = good!.body.map((byte, i) => (i === 3 ? byte ^ 1 : byte))
  const said = [
    ...sent(0, [good!]),
    stanza(['add-identity', IDENTITIES.p]),
    ...sent(1, [stanza(['other']), { ...good!, body: flipped }]),
    ...sent(2, [plain!, stanza(['X25519', 'AAAA']), good!]),
    ...sent(7, [good!]),
  ]
  const heard = await unwrap(everyKey(), said)
  t.same(
    heard.map(({ args }) => args.join(' ')),
    ['file-key 0', 'error stanza 1 1', 'error stanza 2 1', 'file-key 7'],
  )
})

t.test('When an identity is none of ours, then it is named, and nothing is opened', async t => {
  const opener = everyKey()
  const own = wrapped(await wrapTo(IDENTITIES.x))
  const broken = `${IDENTITIES.x.slice(0, -1)}${IDENTITIES.x.endsWith('Q') ? 'P' : 'Q'}`
  const said = [stanza(['add-identity', IDENTITIES.x]), stanza(['add-identity', broken]), ...sent(0, own)]
  const heard = await unwrap(opener, said)
  t.match(heard, [{ args: ['error', 'identity', '1'] }])
  t.equal(opener.asked, 0)
  for (const text of [
    '',
    'AGE-PLUGIN-CLAVIGER-1',
    IDENTITIES.x.toLowerCase(),
    'AGE-PLUGIN-OTHER-1QQQQ',
    `${IDENTITIES.q}Q`,
  ])
    t.equal(parseIdentity(text), null, text)
  for (const letter of LETTERS)
    t.same(parseIdentity(IDENTITIES[letter]), identityOf(letter, KEYS[letter].publicKey))
})

t.test(
  'When the device refuses, then the identity is named once, unless another opened the file',
  async t => {
    const own = wrapped(await wrapTo(IDENTITIES.x))
    let asked = 0
    const refusing: Opener = {
      open: async ({ suite }, text) => {
        if (suite === 'q') return everyKey().open(identityOf('q', KEYS.q.publicKey), text)
        asked++
        throw new ClavigerError('over-budget', undefined, { hint: 'there is room again at 14:05' })
      },
    }
    const said = [stanza(['add-identity', IDENTITIES.x]), ...sent(0, own), ...sent(1, own)]
    const heard = await unwrap(refusing, said)
    t.match(heard, [{ args: ['error', 'identity', '0'] }])
    t.equal(
      Buffer.from(heard[0]!.body).toString(),
      'the budget for this purpose is used up\nhint: there is room again at 14:05',
    )
    t.equal(asked, 1, 'it is not asked again in the same run')

    const both = [...own, ...wrapped(await wrapTo(IDENTITIES.q))]
    const two = [
      stanza(['add-identity', IDENTITIES.x]),
      stanza(['add-identity', IDENTITIES.q]),
      ...sent(0, both),
    ]
    t.match(await unwrap(refusing, two), [{ args: ['file-key', '0'] }])
  },
)

t.test('When age encrypts, then kinds of keys are not mixed, and a recipient of ours is refused', async t => {
  const labels = stanza(['extension-labels'])
  t.match(await wrapTo(IDENTITIES.q, labels), [
    { args: ['labels', 'postquantum'] },
    { args: ['recipient-stanza', '0'] },
  ])
  t.match(await wrapTo(IDENTITIES.x, labels), [{ args: ['recipient-stanza', '0', 'X25519'] }])
  t.match(await wrapTo(IDENTITIES.q, stanza(['add-identity', IDENTITIES.x])), [
    { args: ['error', 'identity', '1'] },
  ])
  t.match(await wrapTo(IDENTITIES.x, stanza(['add-recipient', 'age1claviger1qqq'])), [
    { args: ['error', 'recipient', '0'] },
  ])
  t.match(await wrapTo('AGE-PLUGIN-CLAVIGER-1QQQ'), [{ args: ['error', 'identity', '0'] }])
  const noPoint = formatIdentity(identityOf('p', new Uint8Array(65)))
  t.match(await wrapTo(noPoint), [{ args: ['error', 'identity', '0'] }])
})

t.test('When the other end does not speak the protocol, then the run ends', async t => {
  const file = (number: string) => stanza(['recipient-stanza', number, 'X25519', 'AAAA'])
  for (const said of [
    [file('1'), file('0')],
    [file('-1')],
    [file('01')],
    [stanza(['recipient-stanza', '0'])],
  ])
    await t.rejects(unwrap(everyKey(), said), FramingError)
  await t.rejects(talk(wrapFileKeys, [stanza(['wrap-file-key'], 'short')]), FramingError)
  const many = Array.from({ length: 300 }, () => stanza(['add-identity', IDENTITIES.x]))
  await t.rejects(unwrap(everyKey(), many), FramingError)
  for (const text of [
    'hello\n',
    '->\n\n',
    '-> x\n=\n',
    '-> x\nAAAB\r\n',
    `-> x\n${'A'.repeat(65)}\n`,
    '-> é\n\n',
  ])
    t.throws(() => new StanzaReader().push(Buffer.from(text)), FramingError, text)
  t.throws(() => new StanzaReader().push(Buffer.alloc(100_000, 'A')), FramingError)
  t.throws(
    () => new StanzaReader().push(Buffer.from(`-> x\n${`${'A'.repeat(64)}\n`.repeat(5000)}`)),
    FramingError,
  )
})
