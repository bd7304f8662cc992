/** Changes to a JWE that keep its form: a member taken, put or replaced; a bit of a part, which is written down again as base64url. */
import { PLACE } from './keeper.ts'
import type { Random } from './random.ts'
import { parseJson, type Vocabulary, varyJson } from './vary-json.ts'

const NAMES = [
  'alg',
  'enc',
  'epk',
  'apu',
  'apv',
  'kid',
  'clv',
  'crit',
  'typ',
  'cty',
  'zip',
  'p2c',
  'x',
  'y',
  'd',
  'crv',
  'kty',
].concat('field', 'record', 'aad', 'header', 'unprotected', 'encrypted_key', 'recipients', 'jwk', '__proto__')
const VALUES: readonly unknown[] = [
  ...[
    'ECDH-ES',
    'ECDH-ES+A256KW',
    'RSA-OAEP-256',
    'A256GCM',
    'A128GCM',
    'X25519',
    'P-256',
    'OKP',
    'EC',
    'DEF',
  ],
  ...[
    'x-free',
    'x-free@1',
    'x-bound',
    'p-free',
    'rsa',
    'orders@3',
    'card.number',
    'card.holder',
    'cust_cards/43',
    '',
  ],
  ...['AA', 'AAAA', 'A'.repeat(43), 'AQ', 'é', '\0', 'x'.repeat(300)],
  ...[null, true, 0, -1, 2 ** 53, 1e300, [], {}, ['clv'], ['zip'], [[[]]], PLACE, { ...PLACE, record: '' }],
]

const VOCABULARY: Vocabulary = { names: NAMES, values: VALUES, vary: varyPart }

/** @returns what it was made of, `null` where it has not the form */
export function varyHeader(header: string, random: Random): string | null {
  const value = parseJson(header)
  if (!value) return null
  varyJson(value, random, VOCABULARY)
  return JSON.stringify(value, null, random.below(8) === 0 ? 1 : 0)
}

/** The same of the JWE itself, in either serialisation. */
export function varyText(text: string, random: Random): string | null {
  if (!text.startsWith('{')) {
    const parts = text.split('.')
    const at = random.below(parts.length)
    parts[at] = varyPart(parts[at]!, random)
    return parts.join('.')
  }
  const value = parseJson(text)
  if (!value) return null
  const name = random.of(Object.keys(value))
  const part = value[name]
  if (typeof part === 'string' && random.below(2) === 0) value[name] = varyPart(part, random)
  else varyJson(value, random, VOCABULARY)
  return JSON.stringify(value)
}

/** Of a header, which is JSON in base64url, a member; of all else a bit, or its length. */
function varyPart(part: string, random: Random): string {
  const bytes = Buffer.from(part, 'base64url')
  const header = part.startsWith('ey') && random.below(3) > 0 ? varyHeader(bytes.toString(), random) : null
  if (header !== null) return Buffer.from(header).toString('base64url')
  if (bytes.length === 0) return random.of(['', 'AAAA', 'A'.repeat(random.below(700))])
  if (random.below(4) === 0) return bytes.subarray(0, random.below(bytes.length)).toString('base64url')
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
  return bytes.toString('base64url')
}
