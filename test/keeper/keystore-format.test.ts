/** The bytes of the keystore file: every damage is one error, and the documented vector opens by another path. */

import { createCipheriv, createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { argon2id } from '@noble/hashes/argon2.js'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import t from 'tap'
import { stretch } from '../../appliance/gate/stretch.ts'
import { KeystoreError } from '../../appliance/keeper/keystore/errors.ts'
import type { NewFactor } from '../../appliance/keeper/keystore/factors.ts'
import { type Header, openState, parseFile, sealFile } from '../../appliance/keeper/keystore/format.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import { encodeRecord, referenceTo } from '../../appliance/keeper/keystore/tries.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { type Cbor, decodeCanonicalCbor, encodeCbor } from '../../protocol/cbor.ts'
import { Disk, processOf } from './keystore-disk.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()

/** The inputs of the vector in docs/formats/keystore.md. */
const PASSPHRASE = 'Schlüsselwart'
const PIN = '2468'
const HOST_SHARE = new Uint8Array(32).fill(0xa1)
const DEVICE_SECRET = new Uint8Array(32).fill(0xd2)
const STATE = utf8('this would be the state')
/** Bytes of the vector's random generator: each is the first of SHA-256 of its number. */
const counted = (from: number, length: number) =>
  Uint8Array.from({ length }, (_, i) => sha256(utf8(String(from + i)))[0]!)
const cost = { m: 64, t: 3, p: 1 }
async function typed(type: 'passphrase' | 'pin', text: string, salt: Uint8Array): Promise<NewFactor> {
  const argon2 = { ...cost, salt }
  return { type, output: await stretch(type, utf8(text), argon2), argon2 }
}
const admin = [await typed('passphrase', PASSPHRASE, counted(40, 16))]
const staff: NewFactor[] = [
  await typed('pin', PIN, counted(68, 16)),
  { type: 'host-share', output: HOST_SHARE },
  { type: 'device-secret', output: DEVICE_SECRET },
]

/** The name of the lock, the data key, the nonces of both slots and of the file; between them were the salts. */
function vectorRandom(): (n: number) => Uint8Array {
  const starts = [0, 8, 56, 84, 96]
  return n => counted(starts.shift() ?? 108, n)
}

async function vector(): Promise<Uint8Array> {
  const disk = new Disk()
  const place = {
    storage: disk.storage(),
    namespace: 'default',
    processes: processOf('a'),
    random: vectorRandom(),
    floor: cost,
  }
  const keystore = await Keystore.create(place, {
    state: STATE,
    epoch: 7,
    public: new Map([['enrolment-ca', Uint8Array.of(0xca, 0xfe)]]),
    slots: [
      { id: 'admin', kind: 'passphrase', factors: admin },
      { id: 'staff/till-1', kind: 'staff', factors: staff },
    ],
  })
  await keystore.close()
  return disk.files().default!
}
const good = await vector()
const headerLength = new DataView(good.buffer, good.byteOffset).getUint32(7)

const isDamaged = (act: () => unknown): boolean => {
  try {
    act()
    return false
  } catch (error) {
    return error instanceof KeystoreError && error.code === 'keystore-damaged'
  }
}

/** What a process finds that loads and unlocks these bytes; also checks that it leaves them as they are. */
async function fate(bytes: Uint8Array): Promise<string> {
  const disk = new Disk()
  disk.put('default', Uint8Array.from(bytes))
  const place = { storage: disk.storage(), namespace: 'default', processes: processOf('b') }
  let outcome: string
  try {
    const keystore = await Keystore.load(place)
    outcome = Buffer.from(await keystore.unlock('admin', admin)).toString()
  } catch (error) {
    outcome = error instanceof ClavigerError ? error.code : String(error)
  }
  if (Buffer.compare(disk.files().default!, bytes) !== 0) outcome += ', and the file was changed'
  return outcome
}

/** A file with this header, whatever it is, and a checksum and lengths that are right. */
function forged(change: (header: Map<string, unknown>) => void): Uint8Array {
  const header: Map<string, unknown> = decode(good.subarray(11, 11 + headerLength), { useMaps: true })
  change(header)
  header.delete('check')
  header.set('check', sha256(encode(header, rfc8949EncodeOptions)))
  return framed(encode(header, rfc8949EncodeOptions))
}

function framed(header: Uint8Array, length = header.length): Uint8Array {
  const prefix = Buffer.alloc(11)
  prefix.write('CLVKS1\n')
  prefix.writeUInt32BE(length, 7)
  return Buffer.concat([prefix, header, good.subarray(11 + headerLength)])
}

t.test('When any one bit of the file is flipped, then it is damaged, and left as it is', async t => {
  const outcomes = new Map<string, number>()
  for (let i = 0; i < good.length * 8; i++) {
    // All eight bits where it is cheap, in the sealed state one per byte.
    if (i >> 3 >= 11 + headerLength && i % 8 !== (i >> 3) % 8) continue
    const bytes = Uint8Array.from(good)
    bytes[i >> 3]! ^= 1 << (i & 7)
    const outcome = await fate(bytes)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  t.same([...outcomes.keys()], ['keystore-damaged'])
  t.ok(outcomes.get('keystore-damaged')! > good.length)
})

t.test('When the file is cut at any length or goes on behind its end, then it is damaged', async t => {
  for (let length = 0; length < good.length; length++) {
    if ((await fate(good.subarray(0, length))) !== 'keystore-damaged') t.fail(`cut at ${length} bytes`)
  }
  t.equal(await fate(Buffer.concat([good, Uint8Array.of(0)])), 'keystore-damaged')
  t.equal(await fate(new Uint8Array(16_777_217)), 'keystore-damaged')
  t.equal(await fate(good), 'this would be the state', 'and the whole file opens')
})

t.test(
  'When the header is not canonical, too long, too deep or of other types, then it is damaged',
  async t => {
    const header = good.subarray(11, 11 + headerLength)
    const long = new Uint8Array(65_537)
    const cases: Record<string, Uint8Array> = {
      'a longer length than there are bytes': framed(header, 0xffffffff),
      'a length of one more than allowed': framed(long),
      'a length of 0': framed(header, 0),
      '60,000 nested arrays': framed(new Uint8Array(60_000).fill(0x81)),
      '60,000 nested maps': framed(Buffer.from('a16161'.repeat(20_000), 'hex')),
      'an array that claims 4 billion items': framed(Buffer.from('9affffffff', 'hex')),
      'a string that claims 4 GiB': framed(Buffer.from('5affffffff', 'hex')),
      'an array without a length': framed(Buffer.from('9fff', 'hex')),
      'a number with a needless byte': framed(Buffer.from('1801', 'hex')),
      'a map with unsorted keys': framed(Buffer.from('a2616201616101', 'hex')),
      'a map with a key twice': framed(Buffer.from('a2616101616101', 'hex')),
      'a map with a key that is no text': framed(Buffer.from('a10101', 'hex')),
      'a map with the key __proto__': framed(Buffer.from('a1695f5f70726f746f5f5fa0', 'hex')),
      'text that is not UTF-8': framed(Buffer.from('61ff', 'hex')),
      'a tag': framed(Buffer.from('c001', 'hex')),
      'a float': framed(Buffer.from('fb3ff8000000000000', 'hex')),
      'a negative number': framed(Buffer.from('20', 'hex')),
      null: framed(Buffer.from('f6', 'hex')),
      'a number above 2^53': framed(Buffer.from('1b0020000000000000', 'hex')),
      'two values': framed(Buffer.from('0101', 'hex')),
    }
    // Right in every field and its checksum, and yet another encoding than ours.
    const fields: Map<string, unknown> = decode(header, { useMaps: true })
    const unsorted = { ...rfc8949EncodeOptions, mapSorter: () => 0 }
    const reversed = encode(new Map([...fields].reverse()), unsorted)
    t.equal(reversed.length, header.length)
    cases['the fields in another order'] = framed(reversed)
    for (const [what, bytes] of Object.entries(cases))
      t.ok(
        isDamaged(() => parseFile(bytes)),
        what,
      )
  },
)

t.test('When a field of the header is not what the schema says, then it is damaged', async t => {
  type Fields = Map<string, unknown>
  const slot = (header: Fields, i = 0) => (header.get('slots') as Fields[])[i]!
  const factor = (header: Fields, i = 0) => (slot(header, i).get('factors') as Fields[])[0]!
  const cases: Record<string, (header: Fields) => void> = {
    'another version': h => h.set('version', 2),
    'no version': h => h.delete('version'),
    'a field too many': h => h.set('more', 1),
    'a namespace that is a path': h => h.set('namespace', '../x'),
    'generation 0': h => h.set('generation', 0),
    'an epoch of text': h => h.set('epoch', '7'),
    'no slots': h => h.set('slots', []),
    'slots that are no list': h => h.set('slots', new Map()),
    '65 slots': h => h.set('slots', new Array(65).fill(slot(h))),
    'a slot twice': h => h.set('slots', [slot(h), slot(h)]),
    'a public value of text': h => h.set('public', new Map([['ca', 'x']])),
    'a public value named __proto__': h => h.set('public', new Map([['__proto__', new Uint8Array()]])),
    'an odd public name': h => h.set('public', new Map([['A b', new Uint8Array()]])),
    'public values that are no map': h => h.set('public', []),
    'a state that is longer than the file': h => h.set('stateLength', 24),
    'an unknown kind': h => slot(h).set('kind', 'root'),
    'no wrapped key': h => slot(h).delete('wrapped'),
    'a short wrapped key': h => slot(h).set('wrapped', new Uint8Array(59)),
    'no factors': h => slot(h).set('factors', []),
    'five factors': h => slot(h).set('factors', new Array(5).fill(factor(h))),
    'an unknown factor': h => factor(h).set('type', 'fingerprint'),
    'a passphrase without parameters': h => slot(h).set('factors', [new Map([['type', 'passphrase']])]),
    'more memory than 1 GiB': h => factor(h).set('m', 1_048_577),
    'more than 64 passes': h => factor(h).set('t', 65),
    'no pass': h => factor(h).set('t', 0),
    'too many lanes': h => factor(h).set('p', 17),
    'less memory than the lanes need': h => factor(h).set('m', 7),
    'a short salt': h => factor(h).set('salt', new Uint8Array(8)),
    'a PIN alone': h => slot(h, 1).set('factors', [factor(h, 1)]),
  }
  t.ok(parseFile(forged(() => {})), 'a header that is written again is not damaged')
  for (const [what, change] of Object.entries(cases))
    t.ok(
      isDamaged(() => parseFile(forged(change))),
      what,
    )
})

t.test('When the header was changed by someone who mends the checksum, then nothing opens', async t => {
  t.equal(
    await fate(forged(h => h.set('epoch', 6))),
    'keystore-damaged',
    'the state authenticates the header',
  )
  t.equal(await fate(forged(h => h.set('public', new Map()))), 'keystore-damaged')
  const cheaper = forged(h =>
    (h.get('slots') as Map<string, Map<string, unknown>[]>[])[0]!.get('factors')![0]!.set('m', 8),
  )
  t.equal(await fate(cheaper), 'unlock-refused', 'the parameters are bound to the wrapped key')
})

t.test('When the bytes are random, behind a good beginning or not, then they are damaged', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), bytes => isDamaged(() => parseFile(bytes))))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => isDamaged(() => parseFile(framed(bytes)))),
  )
  const spliced = fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ minLength: 1, maxLength: 40 }))
  fc.assert(
    fc.property(spliced, ([at, bytes]) => {
      const file = Buffer.concat([good.subarray(0, at), bytes, good.subarray(at)])
      return isDamaged(() => parseFile(file))
    }),
  )
})

const cborValue = fc.letrec<{ value: Cbor }>(tie => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.uint8Array({ maxLength: 30 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 30 }), fc.constant('__proto__')), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value
const isRefused = (bytes: Uint8Array): boolean => {
  try {
    decodeCanonicalCbor(bytes)
    return false
  } catch {
    return true
  }
}

t.test('When CBOR was encoded, then it decodes to the same; and what decodes has one encoding', async () => {
  fc.assert(
    fc.property(cborValue, value => {
      const bytes = encodeCbor(value)
      const again = encodeCbor(decodeCanonicalCbor(bytes) as Cbor)
      return (
        Buffer.compare(again, bytes) === 0 && Buffer.compare(encode(value, rfc8949EncodeOptions), bytes) === 0
      )
    }),
  )
  fc.assert(
    fc.property(cborValue, value => {
      const bytes = encodeCbor(value)
      return isRefused(bytes.subarray(0, -1)) && isDamaged(() => parseFile(framed(bytes)))
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), bytes => {
      if (isRefused(bytes)) return true
      return Buffer.compare(encodeCbor(decodeCanonicalCbor(bytes) as Cbor), bytes) === 0
    }),
    { numRuns: 3000 },
  )
})

t.test('When any state is sealed, then it opens with its key alone', async () => {
  const header: Header = parseFile(good).header
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(bytes32, nonce, fc.uint8Array({ maxLength: 200 }), (key, nonce, state) => {
      const file = parseFile(sealFile(header, key, state, nonce))
      const wrong = Uint8Array.from(key, byte => byte ^ 1)
      return Buffer.compare(openState(file, key), state) === 0 && isDamaged(() => openState(file, wrong))
    }),
    { numRuns: 50 },
  )
})

t.test('When the documented vector is derived by other code, then it is the file and opens', async t => {
  const page = readFileSync(new URL('../../docs/formats/keystore.md', import.meta.url), 'utf8')
  const block = /```hex\n([0-9a-f\n]+)```/.exec(page)
  const documented = Buffer.from(block?.[1]?.replaceAll('\n', '') ?? '', 'hex')
  t.equal(
    documented.toString('hex'),
    Buffer.from(good).toString('hex'),
    'the page shows what the code writes',
  )

  const header = documented.subarray(11, 11 + documented.readUInt32BE(7))
  const fields = decode(header, { useMaps: true })
  for (const [i, secrets] of [[utf8(PASSPHRASE)], [utf8(PIN), HOST_SHARE, DEVICE_SECRET]].entries()) {
    const slot = fields.get('slots')[i]
    const material = secrets.map((secret, n) => {
      const factor = slot.get('factors')[n]
      const { m, t, p } = { m: factor.get('m'), t: factor.get('t'), p: factor.get('p') }
      const output = m === undefined ? secret : argon2id(secret, factor.get('salt'), { m, t, p, dkLen: 32 })
      const type = Buffer.from(factor.get('type'))
      return Buffer.concat([Uint8Array.of(0, type.length), type, Uint8Array.of(0, 32), output])
    })
    const id = Buffer.from(slot.get('id'))
    const info = Buffer.concat([
      Buffer.from('claviger/slot/v1'),
      Uint8Array.of(0, id.length),
      id,
      Buffer.from('\0\x07default'),
    ])
    const extracted = createHmac('sha256', new Uint8Array(32)).update(Buffer.concat(material)).digest()
    const key = createHmac('sha256', extracted).update(info).update(Uint8Array.of(1)).digest()

    if (i === 1) {
      const label = Buffer.from('claviger/tries/v1')
      const reference = sha256(label, encode(['default', slot], rfc8949EncodeOptions)).subarray(0, 16)
      const record = Buffer.concat([Uint8Array.of(1), reference])
      const line = Buffer.concat([record, sha256(label, record).subarray(0, 15)]).toString('hex')
      t.equal(
        Buffer.from(encodeRecord('try', referenceTo('default', parseFile(good).header.slots[1]!))).toString(
          'hex',
        ),
        line,
      )
      t.ok(page.includes(`\n${line}\n`), 'the page shows the record of a try')
    }
    const wrapped = slot.get('wrapped')
    slot.delete('wrapped')
    const dataKey = openGcmSiv(
      key,
      wrapped.subarray(0, 12),
      encode(slot, rfc8949EncodeOptions),
      wrapped.subarray(12),
    )
    const sealed = documented.subarray(11 + header.length)
    const state = openGcmSiv(dataKey, sealed.subarray(0, 12), header, sealed.subarray(12))
    t.equal(state.toString(), 'this would be the state')
  }
})

/** AES-256-GCM-SIV written from RFC 8452 with big integers and single AES blocks; slow, and shares no code with ours. */
function openGcmSiv(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const aes = (key: Uint8Array, block: Uint8Array) => {
    const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
    return Buffer.concat([cipher.update(block), cipher.final()])
  }
  const le32 = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value >>> 0)
    return bytes
  }
  const half = (i: number) => aes(key, Buffer.concat([le32(i), nonce])).subarray(0, 8)
  const authKey = Buffer.concat([half(0), half(1)])
  const encKey = Buffer.concat([half(2), half(3), half(4), half(5)])

  const tag = sealed.subarray(-16)
  const counter = Buffer.from(tag)
  counter[15]! |= 0x80
  const first = counter.readUInt32LE(0)
  const plaintext = Buffer.from(sealed.subarray(0, -16)).map((byte, i) => {
    counter.writeUInt32LE((first + (i >> 4)) >>> 0, 0)
    return byte ^ aes(encKey, counter)[i & 15]!
  })

  const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`)
  // RFC 8452 §3: the field is GF(2)[x] / x^128 + x^127 + x^126 + x^121 + 1, and dot(a, b) = a * b * x^-128.
  const polynomial = (1n << 128n) | (1n << 127n) | (1n << 126n) | (1n << 121n) | 1n
  const dot = (a: bigint, b: bigint) => {
    let product = 0n
    for (let i = 0n; i < 128n; i++) if ((b >> i) & 1n) product ^= a << i
    for (let i = 0n; i < 128n; i++) {
      if (product & 1n) product ^= polynomial
      product >>= 1n
    }
    return product
  }
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64LE(BigInt(aad.length * 8), 0)
  lengths.writeBigUInt64LE(BigInt(plaintext.length * 8), 8)
  let hash = 0n
  for (const part of [aad, plaintext, lengths]) {
    for (let i = 0; i < part.length; i += 16) {
      hash = dot(hash ^ number(part.subarray(i, i + 16)), number(authKey))
    }
  }
  const block = Buffer.from(hash.toString(16).padStart(32, '0'), 'hex').reverse()
  for (const [i, byte] of nonce.entries()) block[i]! ^= byte
  block[15]! &= 0x7f
  if (!aes(encKey, block).equals(tag)) throw new Error('the tag is wrong')
  return Buffer.from(plaintext)
}
