/** JWE to a registered recipient: opened by another implementation, derived as the RFC says, and strict about keys. */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import fc from 'fast-check'
import * as jose from 'jose'
import t from 'tap'
import { checkRecipient, encryptJwe, RecipientError } from '../../protocol/envelope/jwe.ts'
import { concatKdf } from '../../protocol/envelope/jwe-kdf.ts'
import { noteProgram, npmVersion } from '../support/compatibility.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const pairs = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  x25519: generateKeyPairSync('x25519'),
}
const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' }) as Record<string, string>
const KEYS = Object.values(pairs)
const RSA = jwkOf(pairs.rsa.publicKey)
const EC = jwkOf(pairs.p256.publicKey)
const X = jwkOf(pairs.x25519.publicKey)

t.test('When a value is forwarded, then the recipient opens it with another implementation', async t => {
  const note = { door: 'JWE', program: 'npm jose', version: npmVersion('jose') } as const
  noteProgram(t, { ...note, does: 'decrypts what the device forwards to a recipient' })
  for (const { publicKey, privateKey } of KEYS) {
    for (const enc of [undefined, 'A256GCM', 'A128GCM']) {
      for (const plaintext of [
        utf8(''),
        utf8('4111111111111111'),
        Uint8Array.from({ length: 65536 }, (_, i) => i),
      ]) {
        const jwk: Record<string, string> = {
          ...jwkOf(publicKey),
          ...(enc && { enc }),
          kid: 'processor/2026 é',
        }
        const token = encryptJwe(plaintext, checkRecipient(jwk))
        const opened = await jose.compactDecrypt(token, privateKey)
        t.ok(Buffer.from(opened.plaintext).equals(plaintext))
        const { alg, enc: used, kid, epk, ...rest } = opened.protectedHeader
        t.equal(alg, jwk.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES')
        t.equal(used, enc ?? 'A256GCM')
        t.equal(kid, jwk.kid)
        t.equal(epk === undefined, jwk.kty === 'RSA')
        t.notOk(epk && Object.hasOwn(epk, 'd'), 'the ephemeral private key stays')
        t.same(rest, {})
        t.match(token, /^[\w-]+\.[\w-]*\.[\w-]{16}\.[\w-]*\.[\w-]{22}$/)
      }
    }
  }
})

t.test('When the same value is forwarded twice, then the two have nothing in common', async t => {
  for (const { publicKey } of KEYS) {
    const recipient = checkRecipient(jwkOf(publicKey))
    const [a, b] = [0, 1].map(() => encryptJwe(utf8('4111111111111111'), recipient).split('.'))
    for (const part of [2, 3, 4]) t.not(a![part], b![part])
    t.not(a!.slice(0, 2).join(), b!.slice(0, 2).join(), 'another key each time')
    t.notOk('kid' in JSON.parse(Buffer.from(a![0]!, 'base64url').toString()))
  }
})

t.test('When a byte is changed, then the recipient does not open it', async t => {
  for (const { publicKey, privateKey } of KEYS) {
    const recipient = checkRecipient({ ...jwkOf(publicKey), kid: 'k1' })
    const parts = encryptJwe(utf8('4111111111111111'), recipient).split('.')
    t.equal((await jose.compactDecrypt(parts.join('.'), privateKey)).plaintext.length, 16)
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url')
      if (bytes.length === 0) continue
      // In the header the key id, which nothing but the tag holds.
      bytes[index === 0 ? bytes.indexOf('k1') + 1 : 0]! ^= 3
      const damaged = parts.with(index, bytes.toString('base64url')).join('.')
      await t.rejects(jose.compactDecrypt(damaged, privateKey), { code: 'ERR_JWE_DECRYPTION_FAILED' })
    }
  }
})

t.test('When keys are derived, then as in RFC 7518 appendix C', async t => {
  const alice = {
    kty: 'EC',
    crv: 'P-256',
    x: 'gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0',
    y: 'SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps',
    d: '0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo',
  }
  const bob = {
    kty: 'EC',
    crv: 'P-256',
    x: 'weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ',
    y: 'e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck',
  }
  const secret = diffieHellman({
    privateKey: createPrivateKey({ key: alice, format: 'jwk' }),
    publicKey: createPublicKey({ key: bob, format: 'jwk' }),
  })
  t.equal(secret[0], 158)
  const key = concatKdf(secret, 'A128GCM', 16, utf8('Alice'), utf8('Bob'))
  t.equal(Buffer.from(key).toString('base64url'), 'VqqN6vgjbSBcIijNcacQGg')
  t.throws(() => concatKdf(secret, 'A256CBC-HS512', 64), RangeError)
})

t.test(
  'When a recipient is registered, then only what matters is kept, and its thumbprint is the usual one',
  async t => {
    for (const jwk of [RSA, EC, X]) {
      const { jwk: kept, thumbprint } = checkRecipient({
        ...jwk,
        use: 'enc',
        key_ops: [],
        x5t: 'abc',
        extra: { a: 1 },
      })
      const { kty } = jwk
      t.same(kept, { ...jwk, alg: kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES', enc: 'A256GCM' })
      t.equal(thumbprint, await jose.calculateJwkThumbprint(jwk))
      t.same(checkRecipient(kept).jwk, kept, 'what is kept is taken again')
    }
  },
)

t.test('When a key cannot be forwarded to, then it is refused and the message says why', async t => {
  const small = jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
  const p384 = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)
  const ed25519 = jwkOf(generateKeyPairSync('ed25519').publicKey)
  const number = (length: number, first = 0xff) =>
    Buffer.alloc(length, 0xff).fill(first, 0, 1).toString('base64url')
  const point = (hex: string) => ({ ...X, x: Buffer.from(hex.padEnd(64, '0'), 'hex').toString('base64url') })
  const bad: [what: unknown, message: RegExp][] = [
    [null, /is a json web key/],
    ['{"kty":"RSA"}', /is a json web key/],
    [[RSA], /is a json web key/],
    [{}, /neither RSA nor/],
    [{ keys: [RSA] }, /neither RSA nor/],
    ...KEYS.map(({ privateKey }): [unknown, RegExp] => [jwkOf(privateKey), /private key/]),
    [{ kty: 'oct', k: 'AAAA' }, /private key/],
    [{ kty: 'oct' }, /neither RSA nor/],
    [small, /fewer than 2048 bits/],
    [{ ...RSA, n: number(256, 0x7f) }, /fewer than 2048 bits/],
    [{ ...RSA, n: number(1025) }, /more than 8192 bits/],
    [{ ...RSA, n: number(100_000) }, /not base64url/],
    [{ ...RSA, n: `${RSA.n}=` }, /not base64url/],
    [{ ...RSA, n: number(256, 0) }, /leading zeros/],
    [{ ...RSA, n: 7 }, /not base64url/],
    [{ ...RSA, n: '' }, /not base64url/],
    [{ ...RSA, n: Buffer.alloc(256, 0xfe).toString('base64url') }, /not those of an rsa key/],
    [{ ...RSA, e: 'AQ' }, /not those of an rsa key/],
    [{ ...RSA, e: 'AQAA' }, /not those of an rsa key/],
    [{ ...RSA, e: number(5) }, /not those of an rsa key/],
    [p384, /neither RSA nor/],
    [ed25519, /neither RSA nor/],
    [{ ...EC, y: EC.x }, /not a point of its curve/],
    [{ ...EC, y: undefined }, /not 32 bytes/],
    [{ ...EC, x: EC.x!.slice(1) }, /not 32 bytes/],
    [{ ...EC, crv: 'secp256k1' }, /neither RSA nor/],
    [point('00'), /not a point of its curve that can be encrypted to/],
    [point('01'), /not a point of its curve that can be encrypted to/],
    [point('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'), /encrypted to/],
    [{ ...RSA, use: 'sig' }, /not for encryption/],
    [{ ...RSA, key_ops: ['verify'] }, /not for encryption/],
    [{ ...RSA, key_ops: 'encrypt' }, /not for encryption/],
    [{ ...RSA, alg: 'RSA-OAEP' }, /another algorithm than RSA-OAEP-256/],
    [{ ...RSA, alg: 'RSA1_5' }, /another algorithm than RSA-OAEP-256/],
    [{ ...EC, alg: 'ECDH-ES+A256KW' }, /another algorithm than ECDH-ES/],
    [{ ...EC, enc: 'A128CBC-HS256' }, /neither A256GCM nor A128GCM/],
    [{ ...EC, kid: 7 }, /"kid"/],
    [{ ...EC, kid: 'k'.repeat(257) }, /"kid"/],
    [{ ...EC, kid: '\ud83d' }, /"kid"/],
  ]
  for (const [jwk, message] of bad)
    t.throws(() => checkRecipient(jwk), { code: 'bad-recipient', message }, JSON.stringify(jwk)?.slice(0, 80))
})

t.test(
  'When anything at all is given as a recipient, then it can be encrypted to or it is refused',
  async t => {
    const members = ['kty', 'crv', 'x', 'y', 'n', 'e', 'alg', 'enc', 'kid', 'use', 'key_ops', 'd']
    const texts = fc.constantFrom(
      RSA.n,
      RSA.e,
      EC.x,
      EC.y,
      X.x,
      'RSA',
      'EC',
      'OKP',
      'P-256',
      'X25519',
      'A128GCM',
    )
    const value = fc.oneof(texts, fc.base64String(), fc.anything({ maxDepth: 3 }))
    const mutated = fc
      .tuple(fc.constantFrom(RSA, EC, X), fc.constantFrom(...members), value)
      .map(([jwk, member, change]) => ({ ...jwk, [member]: change }))
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(mutated, fc.anything({ maxDepth: 3 })), jwk => {
        try {
          const recipient = checkRecipient(jwk)
          t.equal(encryptJwe(utf8('x'), recipient).split('.').length, 5)
          accepted++
        } catch (error) {
          if (!(error instanceof RecipientError) || error.code !== 'bad-recipient') throw error
        }
      }),
      { numRuns: 1500 },
    )
    t.ok(accepted > 10, `${accepted}`)
  },
)
