/**
 * JWE that others made: what `jose` and Python's cryptography encrypt opens, what RFC 7520 has of other algorithms is refused, and
 * wrong keys, wrong places and damaged bytes are one error.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as jose from 'jose'
import t, { type Test } from 'tap'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { concatKdf } from '../../protocol/envelope/jwe-kdf.ts'
import { openJwe, openJweInPool } from '../../protocol/envelope/jwe-open.ts'
import { looksLikeJwe, parseJwe } from '../../protocol/envelope/jwe-read.ts'
import { agree } from '../../protocol/envelope/kem-node.ts'
import { parseKeyId } from '../../protocol/envelope/key-id.ts'
import { importPrivateKey } from '../../protocol/envelope/keys.ts'
import { importLegacyKey } from '../../protocol/envelope/legacy.ts'
import { fuzz } from '../fuzz/fuzz.ts'
import { door } from '../fuzz/jwe.ts'
import { noteProgram, npmVersion, versionOf } from '../support/compatibility.ts'
import { ask, missing } from '../support/programs.ts'

const derOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'der' })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const OKP = generateKeyPairSync('x25519')
const FORM = { padding: 'oaep-sha256', separator: '\t', fields: ['card.number'] } as const
const KEYS = [
  { pair: OKP, key: importPrivateKey('x', derOf(OKP.privateKey)), algs: ['ECDH-ES', 'ECDH-ES+A256KW'] },
  { pair: EC, key: importPrivateKey('p', derOf(EC.privateKey)), algs: ['ECDH-ES', 'ECDH-ES+A256KW'] },
  { pair: RSA, key: importLegacyKey(derOf(RSA.privateKey), FORM), algs: ['RSA-OAEP-256'] },
]
const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const CONTEXT = { namespace: 'default', key: 'orders', ...PLACE }
const VALUE = '4111111111111111'
const utf8 = (text: string) => new TextEncoder().encode(text)

type Opener = (typeof KEYS)[number]['key']

/** What came of it: the value, or the whole of the error. */
function outcome(key: Opener, text: string, context = CONTEXT): string {
  try {
    return Buffer.from(openJwe(key, parseJwe(text), context)).toString()
  } catch (error) {
    const { name, code, message } = error as OpenError
    return `${name} ${code} ${message}`
  }
}
const { name, code, message } = new OpenError()
const FAILED = `${name} ${code} ${message}`
const isRefused = (t: Test, text: string, why: string) =>
  t.throws(() => parseJwe(text), { name: 'TokenError', code: 'bad-token' }, why)

const flattened = (header: object, publicKey: KeyObject, value = VALUE) =>
  new jose.FlattenedEncrypt(utf8(value))
    .setProtectedHeader(header as jose.CompactJWEHeaderParameters)
    .encrypt(publicKey, { crit: { clv: true } })
const compact = (header: object, publicKey: KeyObject, value = VALUE) =>
  new jose.CompactEncrypt(utf8(value))
    .setProtectedHeader(header as jose.CompactJWEHeaderParameters)
    .encrypt(publicKey, { crit: { clv: true } })

t.test('When the thread pool opens it, then the same comes of it as on this thread', async t => {
  for (const { pair, key, algs } of KEYS) {
    if (key.suite === 'rsa') continue
    for (const alg of algs) {
      const text = await compact({ alg, enc: 'A256GCM', clv: PLACE }, pair.publicKey)
      const other = KEYS.find(each => each.key.suite !== key.suite)!
      for (const [given, context] of [
        [text, CONTEXT],
        [text, { ...CONTEXT, record: 'cust_cards/43' }],
        [`${text.slice(0, -4)}AAAA`, CONTEXT],
        [await compact({ alg, enc: 'A256GCM' }, generateKeyPairSync('x25519').publicKey), CONTEXT],
        [await compact({ alg: other.algs[0], enc: 'A256GCM' }, other.pair.publicKey), CONTEXT],
      ] as const) {
        const pooled = await openJweInPool(key.lanes[0]!, parseJwe(given), context).then(
          value => Buffer.from(value).toString(),
          ({ name, code, message }) => `${name} ${code} ${message}`,
        )
        t.equal(pooled, outcome(key, given, context), alg)
      }
    }
  }
})

/** Debian's Python, where the first on the PATH lacks the packages. */
const DEBIAN_PYTHON = process.env.CLAVIGER_PYTHON ?? 'python3'

t.test('When jose encrypts, then it opens in every form', async t => {
  const note = { door: 'JWE', program: 'npm jose', version: npmVersion('jose') } as const
  noteProgram(t, { ...note, does: 'encrypts in compact, flattened and general form' })
  for (const { pair, key, algs } of KEYS) {
    for (const alg of algs) {
      for (const enc of ['A256GCM', 'A128GCM']) {
        for (const extra of [
          {},
          { clv: PLACE },
          { clv: PLACE, crit: ['clv'], kid: 'orders@3', typ: 'JWE' },
        ]) {
          const header = { alg, enc, ...extra }
          const text = await compact(header, pair.publicKey)
          t.ok(looksLikeJwe(text))
          t.equal(outcome(key, text), VALUE, `${alg} ${enc}`)
          t.equal(outcome(key, JSON.stringify(await flattened(header, pair.publicKey))), VALUE)
          const general = await new jose.GeneralEncrypt(utf8(VALUE))
            .setProtectedHeader(header as jose.JWEHeaderParameters)
            .setAdditionalAuthenticatedData(utf8('beside'))
            .addRecipient(pair.publicKey, { crit: { clv: true } })
            .encrypt()
          t.ok(general.aad)
          t.equal(outcome(key, JSON.stringify(general)), VALUE)
        }
      }
    }
  }
})

t.test('When jose puts the parties into the key derivation, then they count', async t => {
  const text = await new jose.CompactEncrypt(utf8(VALUE))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
    .setKeyManagementParameters({ apu: utf8('Alice'), apv: utf8('Bob') })
    .encrypt(OKP.publicKey)
  t.equal(outcome(KEYS[0]!.key, text), VALUE)
})

const PYTHON = `
import sys, json, os, base64
from cryptography.hazmat.primitives import hashes, serialization, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, x25519, rsa, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b'=').decode()
given = json.load(sys.stdin)
made = []
for spki in given['keys']:
    key = serialization.load_der_public_key(base64.b64decode(spki))
    for enc, size in (('A256GCM', 32), ('A128GCM', 16)):
        for alg in (['RSA-OAEP-256'] if isinstance(key, rsa.RSAPublicKey) else ['ECDH-ES', 'ECDH-ES+A256KW']):
            header = {'alg': alg, 'enc': enc, 'clv': given['place'], 'crit': ['clv']}
            cek, wrapped = os.urandom(size), b''
            if alg == 'RSA-OAEP-256':
                mgf = padding.MGF1(hashes.SHA256())
                wrapped = key.encrypt(cek, padding.OAEP(mgf=mgf, algorithm=hashes.SHA256(), label=None))
            else:
                if isinstance(key, x25519.X25519PublicKey):
                    own = x25519.X25519PrivateKey.generate()
                    z = own.exchange(key)
                    header['epk'] = {'kty': 'OKP', 'crv': 'X25519', 'x': b64(own.public_key().public_bytes(*raw))}
                else:
                    own = ec.generate_private_key(ec.SECP256R1())
                    z = own.exchange(ec.ECDH(), key)
                    n = own.public_key().public_numbers()
                    header['epk'] = {'kty': 'EC', 'crv': 'P-256', 'x': b64(n.x.to_bytes(32, 'big')), 'y': b64(n.y.to_bytes(32, 'big'))}
                direct = alg == 'ECDH-ES'
                id = (enc if direct else alg).encode()
                length = size if direct else 32
                info = len(id).to_bytes(4, 'big') + id + bytes(8) + (length * 8).to_bytes(4, 'big')
                derived = ConcatKDFHash(algorithm=hashes.SHA256(), length=length, otherinfo=info).derive(z)
                if direct: cek = derived
                else: wrapped = keywrap.aes_key_wrap(derived, cek)
            first = b64(json.dumps(header).encode())
            iv = os.urandom(12)
            sealed = AESGCM(cek).encrypt(iv, given['value'].encode(), first.encode())
            made.append('.'.join([first, b64(wrapped), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])]))
json.dump(made, sys.stdout)
`

t.test(
  "When Python's cryptography encrypts, then it opens",
  { skip: missing(DEBIAN_PYTHON, '-c', 'import cryptography') },
  async t => {
    const asked = ['-c', 'import cryptography; print(cryptography.__version__)']
    const note = {
      door: 'JWE',
      program: 'Python cryptography',
      version: versionOf(DEBIAN_PYTHON, ...asked),
    } as const
    noteProgram(t, { ...note, does: 'encrypts with ECDH-ES and RSA-OAEP-256, written out by hand' })
    const keys = KEYS.map(({ pair }) =>
      pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    )
    const made = ask<string[]>(DEBIAN_PYTHON, ['-c', PYTHON], { keys, place: PLACE, value: 'Łódź 42' })
    t.equal(made.length, 10)
    for (const [i, text] of made.entries())
      t.equal(outcome(KEYS[Math.floor(i / 4)]!.key, text), 'Łódź 42', parseJwe(text).alg)
  },
)

t.test(
  'When the examples of RFC 7520 are read, then those of our algorithms open and all others are refused',
  async t => {
    const { agreement, opens, refused } = JSON.parse(
      readFileSync(new URL('../vectors/jwe-rfc7520.json', import.meta.url), 'utf8'),
    )
    const bob = importPrivateKey('x', derOf(createPrivateKey({ key: opens.privateKey, format: 'jwk' })))
    t.equal(outcome(bob, opens.compact), opens.plaintext)
    t.equal(outcome(bob, opens.json), opens.plaintext)

    const own = importPrivateKey('p', derOf(createPrivateKey({ key: agreement.privateKey, format: 'jwk' })))
    const epk = createPublicKey({ key: agreement.epk, format: 'jwk' }).export({ format: 'raw-public' })
    const key = concatKdf(agree(own.main, new Uint8Array(epk)), agreement.enc, 32)
    t.equal(Buffer.from(key).toString('base64url'), agreement.contentKey)

    t.equal(refused.length, 34)
    for (const { section, form, text } of refused) isRefused(t, text, `${section} ${form}`)
  },
)

t.test('When key, place or bytes are others, then there is one error', async t => {
  for (const { pair, key, algs } of KEYS) {
    for (const alg of algs) {
      const text = await compact({ alg, enc: 'A256GCM', clv: PLACE }, pair.publicKey)
      for (const other of KEYS)
        if (other.key !== key) t.equal(outcome(other.key, text), FAILED, 'another kind of key')
      for (const place of [{ field: 'card.holder' }, { record: 'cust_cards/43' }, { record: '' }])
        t.equal(outcome(key, text, { ...CONTEXT, ...place }), FAILED, 'another place')
      const moved = text.split('.')
      moved[0] = Buffer.from(`${Buffer.from(moved[0]!, 'base64url')}`.replace('/42', '/43')).toString(
        'base64url',
      )
      t.equal(
        outcome(key, moved.join('.'), { ...CONTEXT, record: 'cust_cards/43' }),
        FAILED,
        'a place that was changed',
      )
      for (const part of [1, 2, 3, 4]) {
        const parts = text.split('.')
        const bytes = Buffer.from(parts[part]!, 'base64url')
        if (bytes.length === 0) continue
        bytes[5]! ^= 1
        parts[part] = bytes.toString('base64url')
        t.equal(outcome(key, parts.join('.')), FAILED, `part ${part}`)
      }
    }
  }
  const stranger = generateKeyPairSync('x25519')
  t.equal(
    outcome(KEYS[0]!.key, await compact({ alg: 'ECDH-ES', enc: 'A256GCM' }, stranger.publicKey)),
    FAILED,
  )
  const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  t.equal(
    outcome(KEYS[2]!.key, await compact({ alg: 'RSA-OAEP-256', enc: 'A256GCM' }, otherRsa.publicKey)),
    FAILED,
  )
})

t.test('When an ephemeral key is of low order or off its curve, then there is the same error', async t => {
  const off = (epk: object) => {
    const header = Buffer.from(JSON.stringify({ alg: 'ECDH-ES', enc: 'A256GCM', epk })).toString('base64url')
    return `${header}..${'A'.repeat(16)}.AAAA.${'A'.repeat(22)}`
  }
  const zero = 'A'.repeat(43)
  t.equal(outcome(KEYS[0]!.key, off({ kty: 'OKP', crv: 'X25519', x: zero })), FAILED)
  t.equal(outcome(KEYS[1]!.key, off({ kty: 'EC', crv: 'P-256', x: zero, y: zero })), FAILED)
})

t.test('When a header says more or less than it may, then it is refused', async t => {
  const epk = OKP.publicKey.export({ format: 'jwk' })
  const good = { alg: 'ECDH-ES', enc: 'A256GCM', epk }
  const withHeader = (header: unknown, encryptedKey = '') => {
    const text = typeof header === 'string' ? header : JSON.stringify(header)
    return `${Buffer.from(text).toString('base64url')}.${encryptedKey}.${'A'.repeat(16)}.AAAA.${'A'.repeat(22)}`
  }
  t.ok(parseJwe(withHeader(good)))
  const { epk: _, ...noKey } = good
  for (const header of [
    { ...good, zip: 'DEF' },
    { ...good, alg: 'dir' },
    { ...good, alg: 'RSA-OAEP' },
    { ...good, alg: 'RSA1_5' },
    { ...good, alg: 'PBES2-HS256+A128KW', p2c: 1e9, p2s: 'AAAA' },
    { ...good, alg: 'ECDH-ES+A128KW' },
    { ...good, alg: 'constructor' },
    { ...good, alg: ['ECDH-ES'] },
    { ...good, enc: 'A128CBC-HS256' },
    { ...good, enc: 'toString' },
    { ...good, jku: 'https://example.com' },
    { ...good, jwk: epk },
    { ...good, p2c: 1 },
    { ...good, unknown: 1 },
    { ...good, crit: [] },
    { ...good, crit: ['clv'] },
    { ...good, crit: ['exp'], exp: 1 },
    { ...good, clv: PLACE, crit: ['clv', 'clv'] },
    { ...good, clv: PLACE, crit: 'clv' },
    { ...good, clv: 'card.number' },
    { ...good, clv: null },
    { ...good, clv: { field: 'card.number' } },
    { ...good, clv: { ...PLACE, key: 'orders' } },
    { ...good, clv: { ...PLACE, record: 'x'.repeat(256) } },
    { ...good, clv: { ...PLACE, field: 'Card' } },
    { ...good, kid: 3 },
    { ...good, apu: 'a b' },
    { ...good, apv: 'A'.repeat(400) },
    { ...good, epk: { ...epk, d: 'A'.repeat(43) } },
    { ...good, epk: { ...epk, crv: 'X448' } },
    { ...good, epk: { ...epk, y: epk.x } },
    { ...good, epk: null },
    noKey,
    { ...good, pad: 'x'.repeat(4000) },
    JSON.stringify(good).replace('{', '{"alg":"ECDH-ES",'),
    JSON.stringify(good).replace('{', '{"\\u0061lg":"ECDH-ES",'),
    JSON.stringify(good).replace('"crv"', '"kty":"OKP","crv"'),
    `[${JSON.stringify(good)}]`,
    'null',
    '{"alg":',
    '',
  ])
    isRefused(t, withHeader(header), JSON.stringify(header))
  isRefused(t, withHeader(good, 'AAAA'), 'a key beside direct agreement')
  isRefused(t, withHeader({ ...good, alg: 'RSA-OAEP-256' }, 'AAAA'), 'rsa with an ephemeral key')
  isRefused(t, withHeader({ ...noKey, alg: 'RSA-OAEP-256' }), 'rsa without an encrypted key')
  isRefused(t, `${withHeader(good)}.`, 'six parts')
  isRefused(t, withHeader(good).replace(/.$/, 'B'), 'trailing bits')

  const json = await flattened({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' }, OKP.publicKey)
  const { encrypted_key, header, ...rest } = json
  t.ok(parseJwe(JSON.stringify(json)))
  for (const other of [
    { ...json, unprotected: { kid: 'orders' } },
    { ...json, header: { enc: 'A256GCM' } },
    { ...json, header: { clv: PLACE } },
    { ...json, header: { zip: 'DEF' } },
    { ...json, header: [] },
    { ...json, header: { alg: 'ECDH-ES+A256KW' } },
    { ...json, extra: 1 },
    { ...json, aad: '=' },
    { ...json, recipients: [{ encrypted_key }] },
    { ...rest, recipients: [] },
    { ...rest, recipients: [{ encrypted_key }, { encrypted_key }] },
    { ...rest, recipients: [{ encrypted_key, more: 1 }] },
    { ...rest, recipients: { encrypted_key } },
    { ...json, iv: 'AAAA' },
    { ...json, tag: undefined },
    { ...json, ciphertext: 'A'.repeat(88_000) },
  ])
    isRefused(t, JSON.stringify(other), Object.keys(other).join())
  isRefused(t, JSON.stringify(json).replace('{', '{"iv":"AAAA",'), 'a member twice')
  t.ok(parseJwe(JSON.stringify({ ...rest, recipients: [{ encrypted_key, header: { kid: 'orders' } }] })))
})

t.test('When a key id is read, then it names a key and a version, or nothing', async t => {
  t.same(parseKeyId('orders'), { key: 'orders', version: null })
  t.same(parseKeyId('orders@3'), { key: 'orders', version: 3 })
  for (const text of [
    '',
    '@3',
    'orders@',
    'orders@0',
    'orders@03',
    'orders@3@3',
    'orders@latest',
    'Orders',
    'orders@2147483648',
  ])
    t.equal(parseKeyId(text), null, text)
})

t.test('When anything is parsed, then it parses or is refused with the one error', async () => {
  const { key } = KEYS[0]!
  const seeds = [
    await compact({ alg: 'ECDH-ES', enc: 'A256GCM', clv: PLACE }, OKP.publicKey),
    JSON.stringify(await flattened({ alg: 'ECDH-ES+A256KW', enc: 'A128GCM' }, OKP.publicKey)),
  ]
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.nat(400), fc.nat(3), fc.string({ unit: 'binary', maxLength: 3 }))
    .map(([seed, at, cut, put]) => seed.slice(0, at) + put + seed.slice(at + cut))
  const header = fc
    .json({ maxDepth: 3 })
    .map(text => `${Buffer.from(text).toString('base64url')}..AAAA.AAAA.AAAA`)
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), header, mutated), text => {
      const result = outcome(key, text)
      // White space between members is no damage.
      return result === VALUE || result === FAILED || result.startsWith('TokenError bad-token ')
    }),
    { numRuns: 3000 },
  )
})

t.test(
  'When 10,000 mutated JWE are decided and opened, then each opens as it should, or ends in the same words',
  async t => {
    const report = await fuzz(door, { seed: 11, inputs: 10_000, until: Number.POSITIVE_INFINITY })
    t.equal(report.fault, undefined)
    t.equal(report.count, 10_000)
    for (const [fate, least] of [
      ['opened', 400],
      ['open-failed', 1000],
      ['bad-token', 1000],
      ['wrong-use', 100],
      ['key-retired', 1],
      ['not-granted', 1],
    ] as const)
      t.ok(report.fates[fate]! >= least, `${fate}: ${report.fates[fate]}`)
  },
)
