/** Makes JWE of any header, as somebody does who has the public key: what is under the tag is then refused by nothing but the rules. */
import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { concatKdf } from '../../protocol/envelope/jwe-kdf.ts'
import { agree } from '../../protocol/envelope/kem-node.ts'
import { importRaw } from '../protocol/envelope-keys.ts'
import { fixedBytes, publicOf } from './fixed.ts'

export const RSA = JSON.parse(
  readFileSync(new URL('../vectors/fuzz-rsa.json', import.meta.url), 'utf8'),
) as Record<'pkcs8' | 'twin' | 'contentKey' | 'sha1' | 'pkcs1', string> & { wrapped: Record<Enc, string> }

type Enc = 'A256GCM' | 'A128GCM'
const LENGTHS = { A256GCM: 32, A128GCM: 16 }

/** All that a JWE needs but its header, and the members that its header needs. */
export interface Recipe {
  /** Name of the key that opens it, and its version. */
  key: string
  version: number
  enc: Enc
  contentKey: Uint8Array
  encryptedKey: string
  header: Readonly<Record<string, unknown>>
}

export const base64url = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url')

/** `{kty, crv, x, y?}` of a serialized public key. */
export function epkOf(suite: 'x' | 'p', bytes: Uint8Array): Record<string, string> {
  if (suite === 'x') return { kty: 'OKP', crv: 'X25519', x: base64url(bytes) }
  return { kty: 'EC', crv: 'P-256', x: base64url(bytes.subarray(1, 33)), y: base64url(bytes.subarray(33)) }
}

function wrapAes(key: Uint8Array, contentKey: Uint8Array): string {
  const cipher = createCipheriv('id-aes256-wrap', key, Buffer.alloc(8, 0xa6))
  return base64url(Buffer.concat([cipher.update(contentKey), cipher.final()]))
}

/** @param secret - what was agreed on. `wrapped` is how many bytes the wrapped content key has, if not those of `enc`. */
export function recipeOf(
  named: { key: string; version: number; epk: object },
  alg: 'ECDH-ES' | 'ECDH-ES+A256KW',
  enc: Enc,
  secret: Uint8Array,
  wrapped = LENGTHS[enc],
): Recipe {
  const { key, version, epk } = named
  const header = { alg, enc, epk }
  if (alg === 'ECDH-ES')
    return {
      key,
      version,
      enc,
      contentKey: concatKdf(secret, enc, LENGTHS[enc]),
      encryptedKey: '',
      header,
    }
  const contentKey = fixedBytes('content key').subarray(0, wrapped)
  return {
    key,
    version,
    enc,
    contentKey,
    encryptedKey: wrapAes(concatKdf(secret, alg, 32), contentKey),
    header,
  }
}

/** With an ephemeral key that is the same for all of a suite. */
export function agreedRecipe(
  key: string,
  suite: 'x' | 'p',
  alg: 'ECDH-ES' | 'ECDH-ES+A256KW',
  enc: Enc,
  { version = 2, wrapped }: { version?: number; wrapped?: number } = {},
): Recipe {
  const ephemeral = importRaw(suite === 'x' ? 'x25519' : 'p256', fixedBytes(`ephemeral ${suite}`))
  const secret = agree(ephemeral.main, publicOf(key, suite, version))
  return recipeOf({ key, version, epk: epkOf(suite, ephemeral.publicKey) }, alg, enc, secret, wrapped)
}

export function rsaRecipe(key: string, enc: Enc, wrapped = RSA.wrapped[enc]): Recipe {
  const contentKey = Buffer.from(RSA.contentKey, 'base64url').subarray(0, LENGTHS[enc])
  return { key, version: 1, enc, contentKey, encryptedKey: wrapped, header: { alg: 'RSA-OAEP-256', enc } }
}

/** The five parts stand in it as `@p @k @i @c @t`; with this `aad` in it, that is under the tag. */
export const COMPACT = '@p.@k.@i.@c.@t'
const AAD = base64url('beside')
const PARTS = '"protected":"@p","iv":"@i","ciphertext":"@c","tag":"@t"'
export const FLATTENED = `{${PARTS},"encrypted_key":"@k"}`
export const GENERAL = `{${PARTS},"recipients":[{"encrypted_key":"@k"}],"aad":"${AAD}"}`
/** Of what has no encrypted key. */
export const BARE = `{${PARTS},"recipients":[{}]}`

/** @returns the JWE of this header, whatever that says, in the form of the template */
export function pack(recipe: Recipe, header: Uint8Array | string, template: string, value: string): string {
  const text = base64url(header)
  const nonce = fixedBytes('nonce').subarray(0, 12)
  // One that is of another length than `enc` wants is a mistake on purpose.
  const name = recipe.contentKey.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm'
  const cipher = createCipheriv(name, recipe.contentKey, nonce)
  cipher.setAAD(Buffer.from(template.includes(`"aad":"${AAD}"`) ? `${text}.${AAD}` : text))
  const ciphertext = Buffer.concat([cipher.update(value), cipher.final()])
  const parts: Record<string, string> = {
    p: text,
    k: recipe.encryptedKey,
    i: base64url(nonce),
    c: base64url(ciphertext),
    t: base64url(cipher.getAuthTag()),
  }
  return template.replace(/@([pkict])/g, (_, letter: string) => parts[letter]!)
}
