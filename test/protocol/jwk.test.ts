/** What foreign forms are read with: JSON that names no member twice, JSON Web Keys of ours, and public keys to agree with. */
import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { ClavigerError } from '../../protocol/api/errors.ts'
import { deriveRaw, readPeerKey } from '../../protocol/envelope/derive.ts'
import { jwkOf, pemOf } from '../../protocol/envelope/jwk.ts'
import { parseJsonObject } from '../../protocol/envelope/strict-json.ts'
import { importRaw, keyPair } from './envelope-keys.ts'

const DEEP = 8
const names = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('a', '__proto__', 'toString', '":"', '{', '\\'),
)
const object = fc.dictionary(names, fc.jsonValue({ maxDepth: 2 }), { noNullPrototype: true })

t.test('When JSON has no member twice, then it is read as JSON.parse does', async t => {
  fc.assert(
    fc.property(object, fc.constantFrom(0, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space)
      const read = parseJsonObject(text, DEEP)
      return read !== null && JSON.stringify(Object.fromEntries(read)) === JSON.stringify(JSON.parse(text))
    }),
  )
  t.ok(parseJsonObject('{"a":{"b":1},"b":{"b":":"},"c":"a","d":["a","a"]}', 3))
})

/** The name as JSON, each character of it as an escape where told. */
function spell(name: string, isEscaped: boolean): string {
  if (!isEscaped) return JSON.stringify(name)
  const units = name.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `"${units.join('')}"`
}

t.test('When a member is there twice, then it is refused, at any depth and in any spelling', async t => {
  fc.assert(
    fc.property(
      object,
      names,
      fc.jsonValue({ maxDepth: 1 }),
      fc.boolean(),
      fc.array(fc.constantFrom('{"x":@}', '[@]', '[1,@]', '{"y":[],"x":@}'), { maxLength: 3 }),
      (value, name, other, isEscaped, around) => {
        const inner = JSON.stringify({ ...value, [name]: 1 }).slice(0, -1)
        const twice = `${inner},${spell(name, isEscaped)}:${JSON.stringify(other)}}`
        const text = around.reduce((text, each) => each.replace('@', () => text), twice)
        return parseJsonObject(`{"top":${text}}`, DEEP + 4) === null
      },
    ),
  )
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":1}}',
    '[{}]',
    '1',
    '{"a":[[[[1]]]]}',
    '{"x":"\\"","\\u0078":1}',
  ])
    t.equal(parseJsonObject(text, 3), null, text)
})

t.test('When anything is read as JSON, then it is no object, or one, and never an error', async () => {
  const alike = fc.stringMatching(/^\{("[ab\\":{}]{0,3}":[\d{}[\],"]{0,5},?){0,4}\}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), alike), fc.nat(6), (text, depth) => {
      const read = parseJsonObject(text, depth)
      return read === null || read instanceof Map
    }),
    { numRuns: 2000 },
  )
})

const scalar = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter(bytes => bytes[0]! > 0 && bytes[0]! < 255)
const SUITES = { x: 'x25519', p: 'p256' } as const

t.test('When a public key is written as JWK or PEM, then another reader has the same key', async t => {
  fc.assert(
    fc.property(
      scalar,
      fc.constantFrom('x', 'p'),
      fc.integer({ min: 1, max: 0x7fff_ffff }),
      (raw, suite, version) => {
        const bytes = importRaw(SUITES[suite], raw).publicKey
        const publicKey = { suite, namespace: 'default', key: 'orders', version, bytes }
        const jwk = jwkOf(publicKey)!
        const read = [createPublicKey({ key: { ...jwk }, format: 'jwk' }), createPublicKey(pemOf(publicKey)!)]
        const isSame = read.every(key => Buffer.from(key.export({ format: 'raw-public' })).equals(bytes))
        return isSame && jwk.kid === `orders@${version}`
      },
    ),
    { numRuns: 50 },
  )
  const bytes = keyPair('xwing').publicKey
  t.equal(jwkOf({ suite: 'q', namespace: 'default', key: 'orders', version: 1, bytes }), null)
})

t.test('When anything is given to agree with, then a secret comes out, or one of two errors', async t => {
  const own = { x: keyPair('x25519'), p: keyPair('p256') }
  const spki = (suite: 'x' | 'p') =>
    createPublicKey(
      pemOf({ suite, namespace: 'n', key: 'k', version: 1, bytes: own[suite].publicKey })!,
    ).export({
      type: 'spki',
      format: 'der',
    })
  const seeds = (['x', 'p'] as const).flatMap(suite => [Buffer.from(own[suite].publicKey), spki(suite)])
  for (const bytes of seeds) t.ok(readPeerKey(bytes.toString('base64url')))
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.nat(90), fc.nat(255), fc.nat(2))
    .map(([bytes, at, put, cut]) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.of(put), bytes.subarray(at + cut)]).toString('base64url'),
    )
  const seen = new Set<string>()
  fc.assert(
    fc.property(
      fc.oneof(mutated, fc.string(), fc.base64String()),
      fc.constantFrom('x', 'p'),
      (text, suite) => {
        try {
          const secret = deriveRaw(own[suite].privateKey, readPeerKey(text))
          seen.add('a secret')
          return secret.length === 32
        } catch (error) {
          const { code } = error as ClavigerError
          seen.add(code)
          return code === 'bad-key' || code === 'open-failed'
        }
      },
    ),
    { numRuns: 2000 },
  )
  t.same([...seen].sort(), ['a secret', 'bad-key', 'open-failed'])
})
