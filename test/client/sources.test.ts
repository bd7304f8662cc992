/** The suite of key sources over its three kinds, and moving from one to the next without a plaintext in sight. */
import { join } from 'node:path'
import t from 'tap'
import { applianceSource } from '../../host-agent/client/sources/appliance.ts'
import { openSource, parseSource } from '../../host-agent/client/sources/choose.ts'
import { changeKeyFile } from '../../host-agent/client/sources/key-file-disk.ts'
import { createKey, type KeyRing, rotateKey, zeroRing } from '../../host-agent/client/sources/key-ring.ts'
import { openLocal } from '../../host-agent/client/sources/local.ts'
import { manualSalt, openManual } from '../../host-agent/client/sources/manual.ts'
import { RISKS } from '../../host-agent/client/sources/source.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'
import { startInProcess } from '../support/in-process.ts'
import { sourceSuite } from './source-suite.ts'

const CHEAP = { m: 64, t: 1, p: 1 }
const FILE_WORDS = 'four words in a file'
const TYPED_WORDS = 'seven words that nobody can ever guess'
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const PLACE = { field: 'card.number', record: 'cust_cards/42' }

const imposter = formatPublicKey({
  suite: 'x',
  namespace: 'default',
  key: 'orders',
  version: 1,
  bytes: generatePrivateKey('x').publicKey,
})

async function change(path: string, alter: (ring: KeyRing) => void): Promise<void> {
  const fresh = () => ({ namespace: 'default', keys: [] })
  zeroRing(
    await changeKeyFile(
      path,
      FILE_WORDS,
      old => {
        const ring = old ?? fresh()
        alter(ring)
        return ring
      },
      CHEAP,
    ),
  )
}

async function startAppliance(key = 'orders') {
  const started = await startInProcess()
  const { appliance } = started
  const admin = await appliance.connect(appliance.admin)
  const { versions } = await admin.createKey(key)
  const profile = await appliance.enrol('till', 'operator')
  await admin.addGrant({
    agent: 'till',
    key,
    fields: ['*'],
    purposes: ['test'],
    reveal: ['full', 'last4', 'mask', 'equals', 'forward', 'rewrap'],
    budgets: [],
    hours: null,
  })
  const connect = async () => applianceSource(await appliance.connect(profile))
  return { started, admin, connect, publicKey: versions[0]!.publicKey }
}

sourceSuite('appliance', async () => {
  const { started, admin, connect } = await startAppliance()
  return {
    source: await connect(),
    stranger: 'not-granted',
    imposter,
    rotate: async () => {
      await admin.rotateKey('orders')
      return connect()
    },
    stop: started.stop,
  }
})

sourceSuite('local', async () => {
  const path = join(t.testdir(), 'keys.json')
  await change(path, ring => createKey(ring, 'orders', 'x', 1))
  return {
    source: await openLocal(path, FILE_WORDS),
    stranger: 'unknown-key',
    imposter,
    rotate: async () => {
      await change(path, ring => rotateKey(ring, 'orders', 2))
      return openLocal(path, FILE_WORDS)
    },
    stop: async () => {},
  }
})

sourceSuite('manual', async () => ({
  source: await openManual({ namespace: 'default', name: 'orders' }, TYPED_WORDS, CHEAP),
  stranger: 'unknown-key',
  imposter,
  stop: async () => {},
}))

t.test(
  'When a shop moves from a typed key to a file and to an appliance, then its fields open there',
  async t => {
    const directory = t.testdir()
    const path = join(directory, 'keys.json')
    await change(path, ring => createKey(ring, 'orders-2', 'q', 1))
    const { started, connect, publicKey } = await startAppliance('orders-3')
    t.teardown(started.stop)
    const manual = await openManual({ namespace: 'default', name: 'orders' }, TYPED_WORDS, CHEAP)
    const local = await openLocal(path, FILE_WORDS)
    const appliance = await connect()
    const publicKeyOf = async (source: typeof local) => (await source.listKeys())[0]!.versions[0]!.publicKey

    const moved = async (source: typeof local, token: string, under: string) =>
      (await source.rewrap({ purpose: 'test', items: [{ ciphertext: token, context: PLACE }] }, under))
        .results[0]!.tokens![0]!.token
    const typed = sealer(await publicKeyOf(manual))(PLACE, '4242')
    const filed = await moved(manual, typed, await publicKeyOf(local))
    const kept = await moved(local, filed, publicKey)
    t.match(
      [typed, filed, kept],
      [/^clv1\.x\.orders\.1\./, /^clv1\.q\.orders-2\.1\./, /^clv1\.x\.orders-3\.1\./],
    )
    const read = async (source: typeof local, token: string) =>
      (await source.decrypt({ purpose: 'test', items: [{ ciphertext: token, context: PLACE }] })).results[0]
    t.strictSame(await read(appliance, kept), { value: '4242' })
    t.match(await read(local, kept), { error: { code: 'unknown-key' } })
    const body = { purpose: 'test', items: [{ ciphertext: kept, context: PLACE }] }
    t.match(
      await local.rewrap(body, publicKey),
      { results: [{ error: { code: 'unknown-key' } }] },
      'not moved twice',
    )
    await t.rejects(local.rewrap({ ...body, target: 'orders-2' }, publicKey), { code: 'malformed-request' })
    await t.rejects(local.rewrap(body, 'clvp1:x'), { code: 'bad-key' })
  },
)

t.test(
  'When a passphrase is typed, then it is the same key only for the same name, namespace and letters',
  async t => {
    const keyOf = async (namespace: string, name: string, words: string) =>
      (
        await (await openManual({ namespace, name }, words, CHEAP)).listKeys()
      )[0]!.versions[0]!.publicKey.split(':').at(-1)
    const one = await keyOf('default', 'orders', TYPED_WORDS)
    t.equal(await keyOf('default', 'orders', TYPED_WORDS), one)
    const others = [
      await keyOf('default', 'order', TYPED_WORDS),
      await keyOf('defaul', 'torders', TYPED_WORDS),
      await keyOf('shop', 'orders', TYPED_WORDS),
      await keyOf('default', 'orders', `${TYPED_WORDS} `),
    ]
    t.equal(new Set([one, ...others]).size, 5)
    const composed = 'Straße Kühe Äpfel Öl und Übermut'
    t.equal(await keyOf('a', 'b', composed.normalize('NFD')), await keyOf('a', 'b', composed))
    for (const weak of ['correct horse', 'abababababababababababab', 'x'.repeat(1025), ''])
      await t.rejects(keyOf('a', 'b', weak), { code: 'malformed-request' }, weak.slice(0, 30))
    await t.rejects(keyOf('a', 'b', `${TYPED_WORDS}\ud800`), { code: 'malformed-request' })
  },
)

t.test('When the public key is named, then a passphrase with a wrong letter is noticed', async t => {
  const source = await openManual({ namespace: 'shop', name: 'orders' }, TYPED_WORDS)
  const [made] = await source.listKeys()
  const text = made!.versions[0]!.publicKey
  const opening = (words: string) => ({ passphrase: async () => words, connect: () => Promise.reject() })
  // Salt and key by way of noble's SHA-256, Argon2id and X25519.
  t.equal(toHex(manualSalt('shop', 'orders')), 'dd9fa5f98ee3a6b364c91e35c67a1bd2')
  t.equal(text, 'clvp1:x:shop:orders:1:C1Uv24UezFo406KtypEAyN513p9qXuH4TaGJGTYShSo')
  const choice = parseSource(`manual:${text}`)
  t.strictSame(await (await openSource(choice, opening(TYPED_WORDS))).listKeys(), [made])
  await t.rejects(openSource(choice, opening(`${TYPED_WORDS}s`)), { code: 'bad-source' })
})

t.test('When a source is chosen, then the text has one meaning, or is refused', t => {
  t.strictSame(parseSource('till'), { kind: 'appliance', profile: 'till' })
  t.strictSame(parseSource('local:/a/b:c.json'), { kind: 'local', path: '/a/b:c.json' })
  t.match(parseSource('manual:orders'), { kind: 'manual', key: { namespace: 'default', name: 'orders' } })
  for (const text of ['', 'local:', 'usb:1', 'Till', 'a/b', 'local', '.', ':x'])
    if (text === 'local') t.match(parseSource(text), { kind: 'appliance' })
    else t.throws(() => parseSource(text), { code: 'bad-source' }, text)
  for (const text of ['manual:', 'manual:Orders', 'manual:clvp1:x'])
    t.throws(() => parseSource(text), { code: 'bad-key' }, text)
  t.throws(() => parseSource(`manual:${imposter.replace(':1:', ':2:')}`), { code: 'bad-source' })
  t.ok(RISKS.local.length >= 3 && RISKS.manual.length >= 3 && RISKS.appliance.length === 0)
  t.end()
})
