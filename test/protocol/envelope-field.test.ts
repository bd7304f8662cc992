/**
 * Contexts, tokens, public keys, private keys, and fields sealed and opened one by one and in batches.
 */

import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as oracle from 'hpke'
import t from 'tap'
import {
  fromBase64url,
  fromBase64urlPortably,
  toBase64url,
  toBase64urlPortably,
} from '../../protocol/bytes.ts'
import { type Context, contextInfo } from '../../protocol/envelope/context.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { type OpenItem, openField, openFields, sealField } from '../../protocol/envelope/field.ts'
import { nobleHpke, sealWithEphemeral } from '../../protocol/envelope/hpke-noble.ts'
import { generatePrivateKey, importPrivateKey, publicKeyOf } from '../../protocol/envelope/keys.ts'
import { sealFieldWith } from '../../protocol/envelope/seal-field.ts'
import { FIELD_SUITES, KEMS, type SuiteLetter } from '../../protocol/envelope/suites.ts'
import {
  formatPublicKey,
  formatToken,
  joinBody,
  MAX_PLAINTEXT_LENGTH,
  parsePublicKey,
  parseToken,
  splitBody,
  type Token,
} from '../../protocol/envelope/token.ts'
import { noteProgram, npmVersion } from '../support/compatibility.ts'
import { ALL_LETTERS, fromHex, toHex } from './envelope-keys.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const overhead = (suite: SuiteLetter) => KEMS[FIELD_SUITES[suite].kem].encapsulatedLength + 16

const first = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789')
const rest = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789.-')
const name = fc.tuple(first, fc.string({ unit: rest, maxLength: 31 })).map(([head, tail]) => head + tail)
const record = fc.string({ unit: 'binary', maxLength: 80 }).filter(text => utf8(text).length <= 255)
const context: fc.Arbitrary<Context> = fc.record({ namespace: name, key: name, field: name, record })
const version = fc.oneof(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.constantFrom(1, 2 ** 31 - 1))
const token: fc.Arbitrary<Token> = fc.constantFrom(...ALL_LETTERS).chain(suite =>
  fc.record({
    suite: fc.constant(suite),
    key: name,
    version,
    body: fc
      .uint8Array({ maxLength: 70 })
      .map(tail =>
        Uint8Array.from({ length: overhead(suite) + tail.length }, (_, i) => tail[i % tail.length] ?? i),
      ),
  }),
)

t.test('When a context is in the table, then its info is the table’s, or it is refused', async t => {
  const table = JSON.parse(readFileSync(new URL('../vectors/contexts.json', import.meta.url), 'utf8'))
  t.ok(table.length > 30)
  for (const { recordUnits, record, info, why, ...names } of table) {
    const context = { ...names, record: recordUnits ? String.fromCharCode(...recordUnits) : record }
    if (info === null)
      t.throws(() => contextInfo(context), { code: 'bad-context', name: 'ContextError' }, why)
    else t.equal(toHex(contextInfo(context)), info)
  }
  for (const bad of [undefined, null, 7, {}, ['a']]) {
    for (const part of ['namespace', 'key', 'field', 'record']) {
      const context = { namespace: 'a', key: 'a', field: 'a', record: 'a', [part]: bad } as unknown as Context
      t.throws(() => contextInfo(context), { code: 'bad-context' }, `${part} ${bad}`)
    }
  }
})

t.test('When two contexts differ, then their infos differ', async t => {
  fc.assert(
    fc.property(context, context, (a, b) => {
      const same =
        a.namespace === b.namespace && a.key === b.key && a.field === b.field && a.record === b.record
      t.equal(toHex(contextInfo(a)) === toHex(contextInfo(b)), same)
    }),
    { numRuns: 200 },
  )
  // Moving a boundary is what a bare join would not notice.
  const moved = (['ab', 'c'] as const).map((field, i) =>
    contextInfo({ namespace: 'n', key: 'k', field, record: i ? 'bc' : 'c' }),
  )
  t.not(toHex(moved[0]!), toHex(moved[1]!))
})

t.test('When bytes go through base64url, then they are the same, and no other text gives them', async t => {
  const codecs = [
    [toBase64url, fromBase64url],
    [toBase64urlPortably, fromBase64urlPortably],
  ] as const
  const strangers = fc.string({ unit: fc.constantFrom(...'AQgwx9-_=+/ \n\u{100}é'), maxLength: 12 })
  for (const [encode, decode] of codecs) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        const text = encode(bytes)
        t.equal(text, Buffer.from(bytes).toString('base64url'))
        t.equal(toHex(decode(text)!), toHex(bytes))
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.base64String(), strangers, fc.string()), text => {
        const bytes = decode(text)
        if (bytes === null) t.not(Buffer.from(text, 'base64url').toString('base64url'), text)
        else t.equal(encode(bytes), text)
      }),
      { numRuns: 500 },
    )
    for (const text of [
      'A',
      'AB',
      'AAB',
      'AA==',
      'AA=',
      'A A',
      'AAAA\n',
      'ÁAAA',
      'AAAAA',
      'AA+/',
      'AA\u0141A',
    ]) {
      t.equal(decode(text), null, text)
    }
  }
})

t.test('When a token is formatted, then it parses to its parts, dots in the key name or not', async t => {
  fc.assert(
    fc.property(token, value => {
      const parsed = parseToken(formatToken(value))
      t.same({ ...parsed, body: toHex(parsed.body) }, { ...value, body: toHex(value.body) })
    }),
  )
})

t.test('When text is not a token in its one form, then it is bad-token and nothing else', async t => {
  const good = formatToken({ suite: 'x', key: 'orders', version: 3, body: new Uint8Array(48) })
  const body = good.slice('clv1.x.orders.3.'.length)
  const bad = [
    '',
    '.',
    '....',
    'clv1',
    'clv1.x',
    'clv1.x.orders.3',
    'clv1.x.orders.3.',
    ` ${good}`,
    `${good}\n`,
    `${good}=`,
    `${good}.`,
    good.toUpperCase(),
    good.replace('clv1', 'clv2'),
    good.replace('.x.', '.y.'),
    good.replace('.x.', '.xx.'),
    good.replace('.x.', '..'),
    good.replace('.3.', '.03.'),
    good.replace('.3.', '.0.'),
    good.replace('.3.', '.-3.'),
    good.replace('.3.', '.+3.'),
    good.replace('.3.', '. 3.'),
    good.replace('.3.', '.3e0.'),
    good.replace('.3.', '.2147483648.'),
    good.replace('.3.', '.99999999999.'),
    good.replace('.3.', '..'),
    good.replace('orders', ''),
    good.replace('orders', 'Orders'),
    good.replace('orders', '-a'),
    good.replace('orders', 'a'.repeat(33)),
    `clv1.x.3.${body}`,
    `clv1.x..3.${body}`,
    `clv1.x.orders.3.${body.slice(1)}`,
    `clv1.x.orders.3.${body.slice(4)}`,
    `clv1.p.orders.3.${body}`,
    `clv1.q.orders.3.${body}`,
    `clv1.x.orders.3.${body}B`,
    `clv1.x.orders.3.${'A'.repeat(100_000)}`,
    `clv1.x.orders.3.${'A'.repeat(10_000_000)}`,
    '.'.repeat(100_000),
    'clv1.'.repeat(20_000),
  ]
  for (const text of bad)
    t.throws(() => parseToken(text), { code: 'bad-token', name: 'TokenError' }, text.slice(0, 40))
  for (const value of [undefined, null, 7, {}, [good]])
    t.throws(() => parseToken(value as string), { code: 'bad-token' })
  fc.assert(
    fc.property(token, fc.nat(), fc.string({ maxLength: 3 }), fc.boolean(), (value, at, insert, cut) => {
      const text = formatToken(value)
      const position = at % (text.length + 1)
      const damaged = cut
        ? text.slice(0, position)
        : text.slice(0, position) + insert + text.slice(position + 1)
      try {
        t.equal(formatToken(parseToken(damaged)), damaged, 'whatever parses is canonical')
      } catch (error) {
        t.equal((error as { code?: string }).code, 'bad-token')
      }
    }),
    { numRuns: 500 },
  )
  for (const part of [
    { suite: 'z' },
    { key: 'A' },
    { version: 0 },
    { version: 1.5 },
    { version: 2 ** 31 },
    { body: new Uint8Array(47) },
  ]) {
    const value = { suite: 'x', key: 'orders', version: 3, body: new Uint8Array(48), ...part } as Token
    t.throws(() => formatToken(value), { code: 'bad-token' })
  }
})

t.test('When a public key is formatted, then only that text gives it back', async t => {
  for (const suite of ALL_LETTERS) {
    const { publicKey: bytes } = generatePrivateKey(suite)
    const publicKey = { suite, namespace: 'shop.example', key: 'orders.a', version: 12, bytes }
    const text = formatPublicKey(publicKey)
    const parsed = parsePublicKey(text)
    t.same({ ...parsed, bytes: toHex(parsed.bytes) }, { ...publicKey, bytes: toHex(bytes) })
    t.match(text, new RegExp(`^clvp1:${suite}:shop\\.example:orders\\.a:12:[A-Za-z0-9_-]+$`))
    const bad = [
      '',
      'clvp1',
      `${text}:`,
      `${text}=`,
      `${text}A`,
      ` ${text}`,
      text.slice(0, -1),
      text.replace('clvp1', 'clvp2'),
      text.replace(':12:', ':012:'),
      text.replace(':12:', ':0:'),
      text.replace(`:${suite}:`, ':z:'),
      text.replace('shop', 'Shop'),
      text.replace('orders.a', ''),
      text.replace(`:${suite}:`, suite === 'x' ? ':p:' : ':x:'),
      ':'.repeat(1000),
      'x'.repeat(1_000_000),
    ]
    for (const other of bad)
      t.throws(() => parsePublicKey(other), { code: 'bad-key', name: 'KeyError' }, other.slice(0, 60))
    t.throws(() => formatPublicKey({ ...publicKey, version: 0 }), { code: 'bad-key' })
  }
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), text => {
      t.throws(() => parsePublicKey(text), { code: 'bad-key' })
    }),
  )
})

t.test('When PKCS#8 is not a key of the suite, then it is refused with one code', async t => {
  const others = [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('x448'),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ml-kem-768'),
  ].map(({ privateKey }) => privateKey.export({ format: 'der', type: 'pkcs8' }))
  for (const suite of ALL_LETTERS) {
    const { pkcs8, publicKey } = generatePrivateKey(suite)
    t.equal(toHex(publicKeyOf(importPrivateKey(suite, pkcs8))), toHex(publicKey))
    t.equal(publicKey.length, KEMS[FIELD_SUITES[suite].kem].publicKeyLength)
    const foreign = ALL_LETTERS.filter(other => other !== suite).map(other => generatePrivateKey(other).pkcs8)
    const changed = Uint8Array.from(pkcs8)
    changed[9] = 0x55
    for (const bad of [
      ...others,
      ...foreign,
      changed,
      pkcs8.subarray(1),
      pkcs8.subarray(0, -1),
      new Uint8Array(0),
    ]) {
      t.throws(
        () => importPrivateKey(suite, bad),
        { code: 'bad-key', name: 'KeyError' },
        `${suite} ${bad.length}`,
      )
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        t.throws(() => importPrivateKey(suite, bytes), { code: 'bad-key' })
      }),
      { numRuns: 30 },
    )
    t.equal(JSON.stringify(importPrivateKey(suite, pkcs8)).includes(toHex(pkcs8.subarray(-32))), false)
  }
})

t.test(
  'When the vectors of the format’s page run, then ours and npm hpke open them and the same token comes out',
  async t => {
    const note = { door: 'HPKE tokens', program: 'npm hpke', version: npmVersion('hpke') } as const
    noteProgram(t, {
      ...note,
      does: 'opens the body of tokens of the suites x, p and q with `Open` of RFC 9180',
    })
    const oracles = {
      x: [oracle.KEM_DHKEM_X25519_HKDF_SHA256, oracle.AEAD_ChaCha20Poly1305],
      p: [oracle.KEM_DHKEM_P256_HKDF_SHA256, oracle.AEAD_AES_256_GCM],
      q: [oracle.KEM_MLKEM768_X25519, oracle.AEAD_AES_256_GCM],
    } as const
    const vectors = JSON.parse(readFileSync(new URL('../vectors/field.json', import.meta.url), 'utf8'))
    t.same(
      vectors.map(({ suite }: { suite: string }) => suite),
      ALL_LETTERS,
    )
    for (const vector of vectors) {
      const suite: SuiteLetter = vector.suite
      const publicKey = parsePublicKey(vector.publicKey)
      const privateKey = importPrivateKey(suite, fromHex(vector.pkcs8))
      t.equal(toHex(privateKey.publicKey), toHex(publicKey.bytes))
      const info = contextInfo(vector.context)
      t.equal(toHex(info), vector.info)
      t.equal(new TextDecoder().decode(openField(privateKey, vector.token, vector.context)), vector.plaintext)

      const [ephemeral, empty] = [fromHex(vector.ephemeral), new Uint8Array(0)]
      const plaintext = utf8(vector.plaintext)
      const sealed = sealWithEphemeral(
        FIELD_SUITES[suite],
        publicKey.bytes,
        info,
        empty,
        plaintext,
        ephemeral,
      )
      const token = parseToken(vector.token)
      t.equal(formatToken({ ...token, body: joinBody(sealed.enc, sealed.ciphertext) }), vector.token)

      const [kem, aead] = oracles[suite]
      const theirs = new oracle.CipherSuite<oracle.Key>(kem, oracle.KDF_HKDF_SHA256, aead)
      const theirKey = await theirs.DeserializePrivateKey(fromHex(vector.privateKey))
      const { enc, ciphertext } = splitBody(token)
      t.equal(
        new TextDecoder().decode(await theirs.Open(theirKey, enc, ciphertext, { info })),
        vector.plaintext,
      )
    }
  },
)

const place = { field: 'card.number', record: 'cust_cards/42' }
const here: Context = { namespace: 'default', key: 'orders', ...place }

function keyFor(suite: SuiteLetter, lanes = 1) {
  const { pkcs8, publicKey: bytes } = generatePrivateKey(suite)
  const publicKey = { suite, namespace: here.namespace, key: here.key, version: 1, bytes }
  return { privateKey: importPrivateKey(suite, pkcs8, lanes), publicKey }
}

t.test(
  'When a field is sealed with OpenSSL or plain JavaScript, then it opens in its place and only there',
  async t => {
    for (const suite of ALL_LETTERS) {
      const { privateKey, publicKey } = keyFor(suite)
      const noble = nobleHpke(FIELD_SUITES[suite])
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 300 }),
          fc.boolean(),
          context,
          (plaintext, plain, elsewhere) => {
            const token = plain
              ? sealFieldWith(noble, publicKey, place, plaintext)
              : sealField(publicKey, place, plaintext)
            t.equal(toHex(openField(privateKey, token, here)), toHex(plaintext))
            t.equal(toHex(openField(privateKey, parseToken(token), here)), toHex(plaintext))
            for (const part of ['namespace', 'key', 'field', 'record'] as const) {
              if (elsewhere[part] === here[part]) continue
              t.throws(() => openField(privateKey, token, { ...here, [part]: elsewhere[part] }), {
                code: 'open-failed',
              })
            }
          },
        ),
        { numRuns: 20 },
      )
    }
    const { privateKey, publicKey } = keyFor('x')
    t.equal(sealField(publicKey, place, utf8('4111111111111111')).length, 'clv1.x.orders.1.'.length + 86)
    const largest = new Uint8Array(MAX_PLAINTEXT_LENGTH).fill(7)
    t.equal(toHex(openField(privateKey, sealField(publicKey, place, largest), here)), toHex(largest))
    t.throws(() => sealField(publicKey, place, new Uint8Array(MAX_PLAINTEXT_LENGTH + 1)), {
      code: 'bad-token',
    })
    t.throws(() => sealField(publicKey, { ...place, field: 'Card' }, utf8('x')), { code: 'bad-context' })
    t.throws(() => sealField({ ...publicKey, bytes: new Uint8Array(32) }, place, utf8('x')), {
      code: 'bad-key',
    })
  },
)

t.test('When a field does not open, then every reason looks the same', async t => {
  for (const suite of ALL_LETTERS) {
    const { privateKey, publicKey } = keyFor(suite)
    const good = parseToken(sealField(publicKey, place, utf8('4111111111111111')))
    const flip = (at: number) => ({ ...good, body: good.body.with(at, good.body.at(at)! ^ 1) })
    const attempts: Record<string, [Parameters<typeof openField>[0], Token, Context]> = {
      'another key': [keyFor(suite).privateKey, good, here],
      'another suite': [keyFor(suite === 'x' ? 'p' : 'x').privateKey, good, here],
      'another record': [privateKey, good, { ...here, record: 'cust_cards/43' }],
      'another key name': [privateKey, { ...good, key: 'cards' }, here],
      'a relabelled key name': [privateKey, { ...good, key: 'cards' }, { ...here, key: 'cards' }],
      'damaged enc': [privateKey, flip(0), here],
      'damaged tag': [privateKey, flip(good.body.length - 1), here],
      'zero enc': [privateKey, { ...good, body: new Uint8Array(good.body.length) }, here],
      'cut short': [privateKey, { ...good, body: good.body.subarray(0, -1) }, here],
    }
    const seen = new Set<string>()
    for (const [title, attempt] of Object.entries(attempts)) {
      try {
        openField(...attempt)
        t.fail(title)
      } catch (error) {
        t.ok(error instanceof OpenError, title)
        const { code, message, name, hint } = error as OpenError
        seen.add(JSON.stringify({ code, message, name, hint, keys: Object.keys(error as object) }))
      }
    }
    t.equal(seen.size, 1, [...seen].join())
  }
})

t.test(
  'When a batch has bad items, then they fail in their place and the others open, on any number of lanes',
  async t => {
    for (const suite of ALL_LETTERS) {
      for (const lanes of [0, 1, 3]) {
        const { privateKey, publicKey } = keyFor(suite, lanes)
        const other = keyFor(suite === 'x' ? 'p' : 'x', 1).privateKey
        const kinds = ['good', 'good', 'text', 'context', 'token', 'key', 'bad context', 'cut', 'zero']
        const count = suite === 'x' ? 300 : 40
        const items: OpenItem[] = Array.from({ length: count }, (_, i) => {
          const token = sealField(publicKey, place, utf8(`value ${i}`))
          const parsed = parseToken(token)
          const kind = kinds[i % kinds.length]
          if (kind === 'text') return { privateKey, token, context: here }
          if (kind === 'context') return { privateKey, token: parsed, context: { ...here, record: 'x' } }
          if (kind === 'token') return { privateKey, token: 'no token', context: here }
          if (kind === 'key') return { privateKey: other, token: parsed, context: here }
          if (kind === 'bad context') return { privateKey, token: parsed, context: { ...here, field: 'NO' } }
          if (kind === 'cut')
            return { privateKey, token: { ...parsed, body: parsed.body.subarray(0, 20) }, context: here }
          if (kind === 'zero')
            return { privateKey, token: { ...parsed, body: new Uint8Array(80) }, context: here }
          return { privateKey, token: parsed, context: here }
        })
        const results = await openFields(items)
        t.equal(results.length, count)
        for (const [i, result] of results.entries()) {
          const opens = i % kinds.length < 3
          if (opens) t.equal(result instanceof Uint8Array && new TextDecoder().decode(result), `value ${i}`)
          else
            t.match(result, {
              code: 'open-failed',
              name: 'OpenError',
              message: 'the ciphertext does not open',
            })
        }
      }
    }
    t.same(await openFields([]), [])
  },
)

t.test(
  'When a field is opened, then what comes back has no way into JSON as a string or a Buffer',
  async t => {
    const { privateKey, publicKey } = keyFor('x')
    const opened = openField(privateKey, sealField(publicKey, place, utf8('secret')), here)
    t.equal(Buffer.isBuffer(opened), false)
    const [batched] = await openFields([
      { privateKey, token: sealField(publicKey, place, utf8('secret')), context: here },
    ])
    t.equal(Buffer.isBuffer(batched), false)
  },
)
