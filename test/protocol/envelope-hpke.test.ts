/**
 * HPKE against RFC 9180, the X-Wing draft and npm `hpke`; the two implementations against each other on good and
 * hostile input.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as oracle from 'hpke'
import t from 'tap'
import { aeadOpen, aeadSeal } from '../../protocol/envelope/aead-node.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import type { Hpke } from '../../protocol/envelope/hpke.ts'
import { nobleHpke, nobleKeySchedule, sealWithEphemeral } from '../../protocol/envelope/hpke-noble.ts'
import { nodeHpke } from '../../protocol/envelope/hpke-node.ts'
import { NOBLE_KEMS } from '../../protocol/envelope/kem-noble.ts'
import { decapsulateNow } from '../../protocol/envelope/kem-node.ts'
import { nodeKeySchedule } from '../../protocol/envelope/key-schedule-node.ts'
import { type AeadName, KEMS, type KemName } from '../../protocol/envelope/suites.ts'
import { ALL_AEADS, ALL_KEMS, fromHex, importRaw, keyPair, LOW_ORDER, toHex } from './envelope-keys.ts'

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

t.test(
  'When HPKE runs the vectors of RFC 9180, then every value of both key schedules is the RFC’s',
  async t => {
    for (const vector of vectors('hpke-rfc9180').vectors) {
      const suite = { kem: vector.kem as KemName, aead: vector.aead as AeadName }
      const info = fromHex(vector.info)
      const raw = fromHex(vector.recipientPrivateKey)
      const privateKey = importRaw(suite.kem, raw)
      const enc = fromHex(vector.enc)
      const title = vector.section

      t.equal(toHex(privateKey.publicKey), vector.recipientPublicKey, `${title} public key`)
      t.equal(toHex(decapsulateNow(privateKey.main, enc)), vector.sharedSecret, `${title} node decapsulates`)
      t.equal(
        toHex(NOBLE_KEMS[suite.kem].decapsulate(raw, enc)),
        vector.sharedSecret,
        `${title} noble decapsulates`,
      )
      const encapsulated = NOBLE_KEMS[suite.kem].encapsulateWithEphemeral(
        privateKey.publicKey,
        fromHex(vector.ephemeralPrivateKey),
      )
      t.equal(toHex(encapsulated.enc), vector.enc, `${title} enc`)
      t.equal(toHex(encapsulated.sharedSecret), vector.sharedSecret, `${title} encapsulates`)

      const sharedSecret = fromHex(vector.sharedSecret)
      const schedule = nodeKeySchedule(suite)
      const { key, nonce } = schedule.derive(sharedSecret, info)
      t.equal(toHex(key), vector.key, `${title} key`)
      t.equal(toHex(nonce), vector.baseNonce, `${title} base nonce`)
      t.equal(
        toHex(schedule.exporterSecret(sharedSecret, info)),
        vector.exporterSecret,
        `${title} exporter secret`,
      )
      const noble = nobleKeySchedule(suite, sharedSecret, info)
      t.equal(toHex(noble.key), vector.key, `${title} noble key`)
      t.equal(toHex(noble.baseNonce), vector.baseNonce, `${title} noble base nonce`)
      t.equal(toHex(noble.exporterSecret), vector.exporterSecret, `${title} noble exporter secret`)

      const plaintext = fromHex(vector.plaintext)
      const [first] = vector.encryptions
      const aad = fromHex(first.aad)
      const ciphertext = fromHex(first.ciphertext)
      t.equal(toHex(nodeHpke(suite).open(privateKey.main, enc, info, aad, ciphertext)), vector.plaintext)
      t.equal(toHex(nobleHpke(suite).open(raw, enc, info, aad, ciphertext)), vector.plaintext)
      const ephemeral = fromHex(vector.ephemeralPrivateKey)
      const sealed = sealWithEphemeral(suite, privateKey.publicKey, info, aad, plaintext, ephemeral)
      t.equal(toHex(sealed.ciphertext), first.ciphertext, `${title} seals`)
      for (const { sequence, aad, nonce, ciphertext } of vector.encryptions) {
        const args = [suite.aead, key, fromHex(nonce), fromHex(aad)] as const
        t.equal(toHex(aeadSeal(...args, plaintext)), ciphertext, `${title} sequence ${sequence} seals`)
        t.equal(
          toHex(aeadOpen(...args, fromHex(ciphertext))),
          vector.plaintext,
          `${title} sequence ${sequence} opens`,
        )
      }
    }
  },
)

t.test('When X-Wing runs the vectors of its draft, then both implementations give its values', async t => {
  const { vectors: kemVectors, hpke } = vectors('xwing')
  for (const vector of kemVectors) {
    const seed = fromHex(vector.seed)
    const privateKey = importRaw('xwing', seed)
    t.equal(sha256(privateKey.publicKey), vector.publicKeySha256, 'node public key')
    t.equal(sha256(NOBLE_KEMS.xwing.publicKeyOf(seed)), vector.publicKeySha256, 'noble public key')
    const { enc, sharedSecret } = NOBLE_KEMS.xwing.encapsulateWithEphemeral(
      privateKey.publicKey,
      fromHex(vector.eseed),
    )
    t.equal(sha256(enc), vector.encSha256)
    t.equal(toHex(sharedSecret), vector.sharedSecret)
    t.equal(toHex(NOBLE_KEMS.xwing.decapsulate(seed, enc)), vector.sharedSecret)
    t.equal(toHex(decapsulateNow(privateKey.main, enc)), vector.sharedSecret)
  }

  const suite = { kem: 'xwing', aead: 'chacha20-poly1305' } as const
  const seed = fromHex(hpke.seed)
  const privateKey = importRaw('xwing', seed)
  const [enc, info, aad, ciphertext] = [hpke.enc, hpke.info, hpke.aad, hpke.ciphertext].map(fromHex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  t.equal(sha256(privateKey.publicKey), hpke.publicKeySha256)
  t.equal(toHex(decapsulateNow(privateKey.main, enc)), hpke.sharedSecret)
  const { key, nonce } = nodeKeySchedule(suite).derive(fromHex(hpke.sharedSecret), info)
  t.equal(toHex(key), hpke.key)
  t.equal(toHex(nonce), hpke.baseNonce)
  t.equal(toHex(nodeHpke(suite).open(privateKey.main, enc, info, aad, ciphertext)), hpke.plaintext)
  t.equal(toHex(nobleHpke(suite).open(seed, enc, info, aad, ciphertext)), hpke.plaintext)
})

const ORACLE_KEMS = {
  x25519: oracle.KEM_DHKEM_X25519_HKDF_SHA256,
  p256: oracle.KEM_DHKEM_P256_HKDF_SHA256,
  xwing: oracle.KEM_MLKEM768_X25519,
}
const ORACLE_AEADS = {
  'aes-128-gcm': oracle.AEAD_AES_128_GCM,
  'aes-256-gcm': oracle.AEAD_AES_256_GCM,
  'chacha20-poly1305': oracle.AEAD_ChaCha20Poly1305,
}

t.test('When npm hpke seals, then both open it; when either seals, then npm hpke opens it', async t => {
  for (const kem of ALL_KEMS) {
    for (const aead of ALL_AEADS) {
      const suite = new oracle.CipherSuite(ORACLE_KEMS[kem], oracle.KDF_HKDF_SHA256, ORACLE_AEADS[aead])
      const { raw, privateKey, publicKey } = keyPair(kem)
      const [node, noble] = [nodeHpke({ kem, aead }), nobleHpke({ kem, aead })]
      const theirPublic = await suite.DeserializePublicKey(publicKey)
      const theirPrivate = await suite.DeserializePrivateKey(raw, false)
      for (const [infoText, aadText, text] of [
        ['', '', ''],
        ['info', 'aad', 'plaintext'],
        ['i'.repeat(300), '', '4111111111111111'],
      ] as const) {
        const [info, aad, plaintext] = [infoText, aadText, text].map(s => new TextEncoder().encode(s)) as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ]
        const theirs = await suite.Seal(theirPublic, plaintext, { info, aad })
        const { encapsulatedSecret, ciphertext } = theirs
        t.equal(
          toHex(node.open(privateKey.main, encapsulatedSecret, info, aad, ciphertext)),
          toHex(plaintext),
        )
        t.equal(toHex(noble.open(raw, encapsulatedSecret, info, aad, ciphertext)), toHex(plaintext))
        for (const ours of [node, noble]) {
          const sealed = ours.seal(publicKey, info, aad, plaintext)
          const opened = await suite.Open(theirPrivate, sealed.enc, sealed.ciphertext, { info, aad })
          t.equal(toHex(opened), toHex(plaintext), `${kem} ${aead}`)
        }
      }
    }
  }
})

/** What an implementation makes of a ciphertext: the plaintext as hex, or the code of its error. */
function outcome<K>(hpke: Hpke<K>, key: K, message: readonly Uint8Array[]): string {
  try {
    return toHex(hpke.open(key, ...(message as [Uint8Array, Uint8Array, Uint8Array, Uint8Array])))
  } catch (error) {
    return error instanceof OpenError ? `${error.code}: ${error.message}` : `unexpected ${error}`
  }
}

const FAILED = 'open-failed: the ciphertext does not open'

t.test('When input is random or damaged, then node and noble agree to the byte', async t => {
  for (const kem of ALL_KEMS) {
    const { raw, privateKey, publicKey } = keyPair(kem)
    for (const aead of ALL_AEADS) {
      const [node, noble] = [nodeHpke({ kem, aead }), nobleHpke({ kem, aead })]
      const bytes = fc.uint8Array({ maxLength: 200 })
      fc.assert(
        fc.property(
          bytes,
          bytes,
          bytes,
          fc.boolean(),
          fc.nat(),
          fc.nat(7),
          fc.nat(5),
          (info, aad, text, by, at, bit, kind) => {
            const { enc, ciphertext } = (by ? node : noble).seal(publicKey, info, aad, text)
            const good = [enc, info, aad, ciphertext]
            t.equal(outcome(node, privateKey.main, good), toHex(text))
            t.equal(outcome(noble, raw, good), toHex(text))
            const part = kind % 4
            const bad = good.map((value, index) => {
              if (index !== part) return value
              if (kind > 3) return value.subarray(0, Math.max(0, value.length - 1 - (at % 20)))
              const copy = Uint8Array.from(value)
              if (copy.length > 0) copy[at % copy.length]! ^= 1 << bit
              return copy
            })
            const changed = toHex(bad[part]!) !== toHex(good[part]!)
            const [a, b] = [outcome(node, privateKey.main, bad), outcome(noble, raw, bad)]
            t.equal(a, b)
            t.equal(a, changed ? FAILED : toHex(text))
          },
        ),
        { numRuns: kem === 'x25519' ? 40 : 15 },
      )
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: KEMS[kem].encapsulatedLength + 2 }),
          bytes,
          (enc, ciphertext) => {
            const message = [enc, new Uint8Array(0), new Uint8Array(0), ciphertext]
            t.equal(outcome(node, privateKey.main, message), FAILED)
            t.equal(outcome(noble, raw, message), FAILED)
          },
        ),
        { numRuns: 40 },
      )
    }
  }
})

/** u-coordinates of RFC 7748 that are not canonical, little-endian. */
const NON_CANONICAL = [
  `ef${'ff'.repeat(30)}7f`,
  `f0${'ff'.repeat(30)}7f`,
  'ff'.repeat(32),
  `09${'00'.repeat(30)}80`,
]

t.test('When an X25519 point is of low order, then nothing opens and nothing is sealed', async t => {
  const suite = { kem: 'x25519', aead: 'chacha20-poly1305' } as const
  const { raw, privateKey } = keyPair('x25519')
  const [node, noble] = [nodeHpke(suite), nobleHpke(suite)]
  const empty = new Uint8Array(0)
  for (const hex of LOW_ORDER) {
    for (const point of [fromHex(hex), withHighBit(fromHex(hex))]) {
      // What a sender would send who counts on a shared secret of DH zero: it must not open.
      const sharedSecret = forgedSecret(point, privateKey.publicKey)
      const { key, baseNonce } = nobleKeySchedule(suite, sharedSecret, empty)
      const message = [point, empty, empty, aeadSeal(suite.aead, key, baseNonce, empty, fromHex('00'))]
      t.equal(outcome(node, privateKey.main, message), FAILED, `node ${hex}`)
      t.equal(outcome(noble, raw, message), FAILED, `noble ${hex}`)
      t.throws(() => node.seal(point, empty, empty, empty), { code: 'bad-key' })
      t.throws(() => noble.seal(point, empty, empty, empty), { code: 'bad-key' })
      t.throws(() => NOBLE_KEMS.x25519.decapsulate(raw, point))
      t.throws(() => decapsulateNow(privateKey.main, point))
    }
  }
  for (const hex of NON_CANONICAL) {
    const enc = fromHex(hex)
    t.equal(toHex(decapsulateNow(privateKey.main, enc)), toHex(NOBLE_KEMS.x25519.decapsulate(raw, enc)), hex)
  }
})

function withHighBit(point: Uint8Array): Uint8Array {
  point[31]! |= 0x80
  return point
}

/** The DHKEM secret for a Diffie-Hellman result of 32 zeros, by RFC 5869 and RFC 9180 §4.1 from node:crypto. */
function forgedSecret(enc: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const hmac = (key: Uint8Array, ...parts: Uint8Array[]) => {
    const block = new Uint8Array(64)
    block.set(key)
    const inner = sha256Bytes(Buffer.concat([block.map(b => b ^ 0x36), ...parts]))
    return sha256Bytes(Buffer.concat([block.map(b => b ^ 0x5c), inner]))
  }
  const label = (text: string) =>
    Buffer.concat([Buffer.from('HPKE-v1KEM'), fromHex('0020'), Buffer.from(text)])
  const prk = hmac(new Uint8Array(0), label('eae_prk'), new Uint8Array(32))
  return hmac(prk, fromHex('0020'), label('shared_secret'), enc, publicKey, Uint8Array.of(1))
}

function sha256Bytes(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

t.test(
  'When a P-256 point is not an uncompressed point of the curve, then node and noble refuse it',
  async t => {
    const suite = { kem: 'p256', aead: 'aes-256-gcm' } as const
    const { raw, privateKey, publicKey } = keyPair('p256')
    const [node, noble] = [nodeHpke(suite), nobleHpke(suite)]
    const empty = new Uint8Array(0)
    const { enc } = node.seal(publicKey, empty, empty, empty)
    const edit = (at: number, byte: number) => enc.with(at, byte)
    const hybrid = 0x06 | (enc[64]! & 1)
    const hostile: Record<string, Uint8Array> = {
      'off the curve': edit(64, enc[64]! ^ 1),
      'hybrid form, which openssl alone would take': edit(0, hybrid),
      'hybrid form with the wrong sign': edit(0, hybrid ^ 1),
      'compressed tag on 65 bytes': edit(0, 0x02),
      compressed: Uint8Array.of(0x02 | (enc[64]! & 1), ...enc.subarray(1, 33)),
      infinity: Uint8Array.of(0),
      'infinity on 65 bytes': new Uint8Array(65),
      'zero coordinates': Uint8Array.from(enc).fill(0, 1),
      'coordinates above the prime': Uint8Array.from(enc).fill(0xff, 1),
      'one byte short': enc.subarray(0, 64),
      'one byte long': Uint8Array.of(...enc, 0),
      nothing: empty,
    }
    for (const [title, point] of Object.entries(hostile)) {
      const message = [point, empty, empty, new Uint8Array(16)]
      t.equal(outcome(node, privateKey.main, message), FAILED, `node: ${title}`)
      t.equal(outcome(noble, raw, message), FAILED, `noble: ${title}`)
      t.throws(() => decapsulateNow(privateKey.main, point), `node decapsulates no point ${title}`)
      t.throws(() => NOBLE_KEMS.p256.decapsulate(raw, point), `noble decapsulates no point ${title}`)
      t.throws(() => node.seal(point, empty, empty, empty), { code: 'bad-key' }, title)
      t.throws(() => noble.seal(point, empty, empty, empty), { code: 'bad-key' }, title)
    }
  },
)

t.test('When an X-Wing public key has coefficients above the modulus, then neither seals to it', async t => {
  const suite = { kem: 'xwing', aead: 'aes-256-gcm' } as const
  const bad = Uint8Array.from(keyPair('xwing').publicKey).fill(0xff, 0, 3)
  const empty = new Uint8Array(0)
  t.throws(() => nodeHpke(suite).seal(bad, empty, empty, empty), { code: 'bad-key' })
  t.throws(() => nobleHpke(suite).seal(bad, empty, empty, empty), { code: 'bad-key' })
})

t.test('When the private key belongs to another kem, then it is the same one error', async t => {
  const node = nodeHpke({ kem: 'x25519', aead: 'chacha20-poly1305' })
  const message = [new Uint8Array(32).fill(9), new Uint8Array(0), new Uint8Array(0), new Uint8Array(16)]
  t.equal(outcome(node, keyPair('p256').privateKey.main, message), FAILED)
})

t.test('When a browser loads the plain JavaScript HPKE, then nothing it imports comes from node', async t => {
  const seen = new Set<string>()
  const visit = (url: URL) => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    for (const [, specifier] of readFileSync(url, 'utf8').matchAll(
      /^(?:import|export)[^'"]*?from ['"]([^'"]+)['"]/gm,
    )) {
      t.notMatch(specifier!, /^node:/, url.pathname.replace(/.*\//, ''))
      if (specifier!.startsWith('.')) visit(new URL(specifier!, url))
    }
  }
  visit(new URL('../../protocol/envelope/hpke-noble.ts', import.meta.url))
  visit(new URL('../../protocol/envelope/seal-field.ts', import.meta.url))
  t.ok(seen.size >= 8, `${seen.size} files looked at`)
})
