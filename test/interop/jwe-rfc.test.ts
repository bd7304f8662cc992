/** The examples of key agreement in RFC 7518 appendix C and RFC 8037 appendix A.6, from the header to the value. */
import { createCipheriv, createPrivateKey } from 'node:crypto'
import t from 'tap'
import { concatKdf } from '../../protocol/envelope/jwe-kdf.ts'
import { openJwe } from '../../protocol/envelope/jwe-open.ts'
import { parseJwe } from '../../protocol/envelope/jwe-read.ts'
import { agree } from '../../protocol/envelope/kem-node.ts'
import { importPrivateKey } from '../../protocol/envelope/keys.ts'

const CONTEXT = { namespace: 'default', key: 'bob', field: 'letter', record: '' }
const VALUE = 'through thick and thin'

function privateKeyOf(suite: 'x' | 'p', jwk: Record<string, string>) {
  return importPrivateKey(
    suite,
    createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' }),
  )
}

/** A JWE of direct agreement, A128GCM, with a content key that the RFC tells. */
function jweOf(header: object, contentKey: Uint8Array): string {
  const shown = Buffer.from(JSON.stringify(header)).toString('base64url')
  const nonce = Buffer.alloc(12, 7)
  const cipher = createCipheriv('aes-128-gcm', contentKey, nonce).setAAD(Buffer.from(shown))
  const ciphertext = Buffer.concat([cipher.update(VALUE), cipher.final()])
  return [
    shown,
    '',
    ...[nonce, ciphertext, cipher.getAuthTag()].map(part => part.toString('base64url')),
  ].join('.')
}

t.test(
  'When the header is that of RFC 7518 appendix C, then what its content key encrypted opens',
  async t => {
    const header = {
      alg: 'ECDH-ES',
      enc: 'A128GCM',
      apu: 'QWxpY2U',
      apv: 'Qm9i',
      epk: {
        kty: 'EC',
        crv: 'P-256',
        x: 'gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0',
        y: 'SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps',
      },
    }
    const bob = privateKeyOf('p', {
      kty: 'EC',
      crv: 'P-256',
      x: 'weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ',
      y: 'e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck',
      d: 'VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw',
    })
    const jwe = parseJwe(jweOf(header, Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url')))
    t.equal(Buffer.from(openJwe(bob, jwe, CONTEXT)).toString(), VALUE)
    t.equal(`${Buffer.from(jwe.apu)} ${Buffer.from(jwe.apv)}`, 'Alice Bob')
    for (const party of ['apu', 'apv'] as const) {
      const other = parseJwe(
        jweOf({ ...header, [party]: 'Q2Fyb2w' }, Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url')),
      )
      t.throws(() => openJwe(bob, other, CONTEXT), { code: 'open-failed' }, `${party} of somebody else`)
    }
  },
)

t.test(
  'When the header is that of RFC 8037 appendix A.6, then the secret is its own, and its algorithm is refused',
  async t => {
    const epk = { kty: 'OKP', crv: 'X25519', x: 'hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo' }
    // The private half is in RFC 7748 §6.1, which the appendix has its keys from.
    const bob = privateKeyOf('x', {
      kty: 'OKP',
      crv: 'X25519',
      x: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08',
      d: 'XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os',
    })
    const Z = Buffer.from('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742', 'hex')
    t.same(Buffer.from(agree(bob.main, Buffer.from(epk.x, 'base64url'))), Z)
    const direct = jweOf({ alg: 'ECDH-ES', enc: 'A128GCM', kid: 'Bob', epk }, concatKdf(Z, 'A128GCM', 16))
    t.equal(Buffer.from(openJwe(bob, parseJwe(direct), CONTEXT)).toString(), VALUE)
    const [, ...rest] = direct.split('.')
    const own = Buffer.from(JSON.stringify({ alg: 'ECDH-ES+A128KW', epk, enc: 'A128GCM', kid: 'Bob' }))
    t.throws(() => parseJwe([own.toString('base64url'), ...rest].join('.')), {
      code: 'bad-token',
      message: /algorithm is not one/,
    })
  },
)
