/**
 * Inputs of the door `jwe`, each with what becomes of it as it is. An input is a letter for the key that the request names (`-` for none),
 * a letter for a recipe (`-` for none), and the text; with a recipe that is a header in the clear, a line feed and a template, so that
 * what is mutated in them is still under the tag.
 */
import { p256 } from '@noble/curves/nist.js'
import type { SealedKey } from '../../appliance/keeper/sealed-state.ts'
import type { ErrorCode } from '../../protocol/api/errors.ts'
import { LOW_ORDER } from '../protocol/envelope-keys.ts'
import { fixedBytes, fixedKey } from './fixed.ts'
import {
  agreedRecipe,
  BARE,
  base64url,
  COMPACT,
  epkOf,
  FLATTENED,
  GENERAL,
  pack,
  type Recipe,
  RSA,
  recipeOf,
  rsaRecipe,
} from './jwe-make.ts'
import { PLACE, VALUE } from './keeper.ts'

const legacy = { padding: 'oaep-sha256' as const, separator: '\t', fields: [PLACE.field] }
const imported = (name: string, pkcs8: string): SealedKey => ({
  name,
  suite: 'rsa',
  versions: [{ version: 1, created: 1, pkcs8: new Uint8Array(Buffer.from(pkcs8, 'base64')) }],
  legacy,
})

/** What opens, beside each a twin that is the same but for its private key; and three that open no JWE. */
export const KEYS: SealedKey[] = [
  ...(['x', 'p'] as const).flatMap(suite => [
    fixedKey(`${suite}-free`, suite, 'contextless'),
    fixedKey(`${suite}-free-twin`, suite, 'contextless'),
    fixedKey(`${suite}-bound`, suite, 'fields', 2),
    fixedKey(`${suite}-bound-twin`, suite, 'fields', 2),
  ]),
  imported('rsa', RSA.pkcs8),
  imported('rsa-twin', RSA.twin),
  fixedKey('files', 'x', 'files'),
  fixedKey('raw', 'x', 'derive'),
  fixedKey('q', 'q', 'fields'),
]

const ALGS = ['ECDH-ES', 'ECDH-ES+A256KW'] as const
const ENCS = ['A256GCM', 'A128GCM'] as const

const GOOD: Recipe[] = [
  ...(['x', 'p'] as const).flatMap(suite =>
    ['free', 'bound'].flatMap(use =>
      ALGS.flatMap(alg => ENCS.map(enc => agreedRecipe(`${suite}-${use}`, suite, alg, enc))),
    ),
  ),
  ...ENCS.map(enc => rsaRecipe('rsa', enc)),
  agreedRecipe('x-free', 'x', 'ECDH-ES', 'A256GCM', { version: 1 }),
]
const [FREE] = GOOD as [Recipe]
const KW = GOOD[2]!
const RSA_GOOD = GOOD.find(({ key }) => key === 'rsa')!
const RETIRED = agreedRecipe('x-bound', 'x', 'ECDH-ES', 'A256GCM', { version: 1 })
/** Made with a secret that everybody knows. */
const FORGED = [
  ...LOW_ORDER.flatMap(hex => {
    const point = Buffer.from(hex, 'hex')
    const high = Buffer.from(point)
    high[31]! |= 0x80
    return [point, high].map(bytes => ({ key: 'x-free', version: 2, epk: epkOf('x', bytes) }))
  }),
].flatMap(named => ALGS.map(alg => recipeOf(named, alg, 'A256GCM', new Uint8Array(32))))
/** What the key cannot be agreed with, or opens to nothing. */
const WRONG = [
  ...offCurve().map(epk =>
    recipeOf({ key: 'p-free', version: 2, epk }, 'ECDH-ES', 'A256GCM', new Uint8Array(32)),
  ),
  agreedRecipe('x-free', 'x', 'ECDH-ES+A256KW', 'A256GCM', { wrapped: 16 }),
  agreedRecipe('x-free', 'x', 'ECDH-ES+A256KW', 'A128GCM', { wrapped: 32 }),
  { ...agreedRecipe('x-free', 'x', 'ECDH-ES', 'A256GCM'), key: 'p-free' },
  { ...agreedRecipe('p-free', 'p', 'ECDH-ES', 'A256GCM'), key: 'x-free' },
  { ...FREE, key: 'x-free-twin' },
  { ...RSA_GOOD, key: 'rsa-twin' },
  { ...RSA_GOOD, key: 'x-free' },
  { ...FREE, key: 'rsa' },
  rsaRecipe('rsa', 'A256GCM', RSA.sha1),
  rsaRecipe('rsa', 'A256GCM', RSA.pkcs1),
  rsaRecipe('rsa', 'A256GCM', RSA.wrapped.A128GCM),
]

function offCurve(): object[] {
  const { x, y } = p256.Point.BASE.toAffine()
  const bytes = (n: bigint) => base64url(Buffer.from(n.toString(16).padStart(64, '0'), 'hex'))
  const zero = base64url(new Uint8Array(32))
  const { p } = p256.Point.CURVE()
  const points = [
    [x, y + 1n],
    [x, p],
    [p, y],
    [x, 0n],
  ].map(([a, b]) => [bytes(a!), bytes(b!)])
  return [...points, [zero, zero]].map(([a, b]) => ({ kty: 'EC', crv: 'P-256', x: a, y: b }))
}

/** By the letters of the inputs: `A` is the first key, `0` the first recipe, and they go on as in ASCII. */
export const RECIPES: readonly Recipe[] = [...GOOD, RETIRED, ...WRONG, ...FORGED]
const FIRST_RECIPE = '0'.charCodeAt(0)
const letterOf = (recipe: Recipe) => String.fromCharCode(FIRST_RECIPE + RECIPES.indexOf(recipe))
export const recipeAt = (byte: number | undefined) => RECIPES[(byte ?? 0) - FIRST_RECIPE]
const keyLetter = (name: string) => String.fromCharCode(65 + KEYS.findIndex(key => key.name === name))
export const keyAt = (byte: number | undefined) => KEYS[(byte ?? 0) - 65]?.name

/** What becomes of an input as it is; `null` opens. */
export const EXPECTED = new Map<string, ErrorCode | null>()

/** A header and a template for a recipe: as they are, and made up. The key is named by the request, unless by `kid`. */
function add(
  code: ErrorCode | null,
  recipe: Recipe,
  header: object | string,
  template = COMPACT,
  by = recipe.key,
) {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const letter = text.includes('"kid"') ? '-' : keyLetter(by)
  EXPECTED.set(`${letter}${letterOf(recipe)}${text}\n${template}`, code)
  EXPECTED.set(`${letter}-${pack(recipe, text, template, VALUE)}`, code)
}
const addText = (code: ErrorCode, key: string, text: string) =>
  EXPECTED.set(`${keyLetter(key)}-${text}`, code)

for (const [i, recipe] of GOOD.entries()) {
  const { key, version, header, encryptedKey } = recipe
  const json = encryptedKey === '' ? BARE : [FLATTENED, GENERAL][i % 2]!
  const bound = {
    ...header,
    clv: PLACE,
    crit: ['clv'],
    kid: key === 'rsa' ? 'rsa' : `${key}@${version}`,
    typ: 'JWE',
  }
  add(null, recipe, bound)
  add(null, recipe, bound, json)
  const opens = version === 2 || key === 'rsa'
  if (!key.endsWith('bound')) add(opens ? null : 'open-failed', recipe, header, i % 2 ? COMPACT : json)
  else add('wrong-use', recipe, header)
  if (i % 4 === 0) add('open-failed', recipe, { ...header, clv: { ...PLACE, record: 'cust_cards/43' } })
}
for (const recipe of WRONG) add('open-failed', recipe, { ...recipe.header, clv: PLACE })
for (const recipe of FORGED) add('open-failed', recipe, recipe.header)
add('key-retired', RETIRED, { ...RETIRED.header, clv: PLACE, kid: 'x-bound@1' })
for (const by of ['files', 'raw']) add('wrong-use', FREE, { ...FREE.header, clv: PLACE }, COMPACT, by)
add('open-failed', FREE, { ...FREE.header, clv: PLACE }, COMPACT, 'q')

const { header } = FREE
const { epk } = header as { epk: Record<string, string> }
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const plain = JSON.stringify({ ...header, clv: PLACE })
for (const refused of [
  { ...header, zip: 'DEF' },
  { ...header, clv: PLACE, zip: 'DEF' },
  { ...header, crit: ['exp'], exp: 4_102_444_800 },
  { ...header, crit: ['clv'] },
  { ...header, crit: [] },
  { ...header, crit: ['b64'], b64: false },
  { ...header, clv: PLACE, crit: ['clv', 'zip'] },
  { ...header, p2c: 1_000_000_000, p2s: 'AAAA' },
  { ...header, alg: 'PBES2-HS256+A128KW', p2c: 4_294_967_295, p2s: 'AAAA' },
  { ...header, alg: 'dir' },
  { ...header, alg: 'none' },
  { ...header, enc: 'A128CBC-HS256' },
  { ...header, jku: 'https://example.com/keys' },
  { ...header, jwk: epk },
  { ...header, clv: { ...PLACE, record: 'x'.repeat(256) } },
  { ...header, clv: { ...PLACE, purpose: 'charge' } },
  { ...header, clv: [PLACE] },
  { ...header, epk: { ...epk, crv: 'X448' } },
  { ...header, epk: { ...epk, kty: 'EC', crv: 'P-384', y: epk.x } },
  { ...header, epk: { ...epk, d: epk.x } },
  { ...header, epk: { ...epk, x: `${epk.x}=` } },
  { ...header, apu: 'A'.repeat(256) },
  { ...header, kid: 'x'.repeat(257) },
  { ...header, clv: PLACE, typ: 'x'.repeat(3000) },
  plain.replace('{', '{"alg":"ECDH-ES",'),
  plain.replace('{', '{"\\u0061lg":"ECDH-ES",'),
  plain.replace('"record"', '"field":"card.number","record"'),
  plain.replace('{', '{"__proto__":{"zip":"DEF"},'),
  plain.replace('{', `{"cty":${nested(600)},`),
  plain.replace('{', '{"typ":1e999,'),
  plain.replace('{', `{"cty":${'9'.repeat(400)},`),
  '{',
  '[]',
])
  add('bad-token', FREE, refused)
add('bad-token', KW, { ...KW.header, alg: 'ECDH-ES+A128KW' })
add('bad-token', KW, { ...KW.header, alg: 'ECDH-ES' })
add('bad-token', FREE, { ...header, alg: 'ECDH-ES+A256KW' })
for (const alg of ['RSA1_5', 'RSA-OAEP']) add('bad-token', RSA_GOOD, { ...RSA_GOOD.header, alg })
add('bad-token', RSA_GOOD, { ...RSA_GOOD.header, epk })
for (const [at, put] of [
  ['}', ',"unprotected":{"kid":"x-free"}}'],
  ['[{', '[{},{'],
  ['[{', '[{"header":{"zip":"DEF"},'],
  ['[{', '[{"header":{"enc":"A256GCM"},'],
  ['{', '{"tag":"AAAA",'],
  ['{', '{"header":{},'],
  ['{', `{"x":${nested(3000)},`],
  ['{', '{"aad":1e999,'],
] as const)
  add('bad-token', KW, KW.header, GENERAL.replace(at, put))

const good = pack(FREE, plain, COMPACT, VALUE)
const last = good.at(-1)!
addText('bad-token', 'x-free', `${good.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}`)
addText('bad-token', 'x-free', `${good}==`)
addText('bad-token', 'x-free', `${good}.`)
addText('bad-token', 'x-free', good.replace(/[-_]/, '+'))
addText('bad-token', 'x-free', good.replace(/\.[^.]*\.[^.]*$/, `.${'A'.repeat(88_000)}.${'A'.repeat(22)}`))
addText('bad-token', 'x-free', `{"a":${'{"a":'.repeat(14_000)}1${'}'.repeat(14_001)}`)

/** Pieces of headers and of both serialisations. */
export const WORDS: readonly string[] = [
  ...'{ } [ ] , : . " = \\ \n \0 é \ud83d\ude00 -- 1e999 null true "" \\u0061 ﻿'.split(' '),
  ...['alg', 'enc', 'epk', 'kid', 'clv', 'crit', 'zip', 'apu', 'apv', 'typ', 'p2c'].map(name => `"${name}":`),
  ...[
    '"zip":"DEF",',
    '"crit":["clv"],',
    '"crit":["exp"],',
    '"p2c":4294967295,',
    '"apu":"AA",',
    '"typ":"JWE",',
  ],
  ...['"aad":"AAAA",', '"header":{},', '"recipients":[{}],', '"unprotected":{},', '"encrypted_key":"@k",'],
  ...[
    '"ECDH-ES"',
    '"ECDH-ES+A256KW"',
    '"RSA-OAEP-256"',
    '"dir"',
    '"A128GCM"',
    '"A256GCM"',
    '"P-256"',
    '"X25519"',
  ],
  ...[
    'x-free',
    'x-bound@1',
    '@2',
    '@2147483647',
    'cust_cards/42',
    'cust_cards/43',
    'card.number',
    'card.holder',
  ],
  ...[
    '@p',
    '@k',
    '@i',
    '@c',
    '@t',
    base64url(fixedBytes('nothing')),
    base64url(Buffer.alloc(32)),
    nested(40),
  ],
]
