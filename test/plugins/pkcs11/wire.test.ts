/** The wire of PKCS#11 as p11-kit speaks it: what is read, what is refused, and that nothing sent can do harm. */
import t from 'tap'
import { CKA, CKM, CKR, Refusal } from '../../../host-agent/plugins/pkcs11/constants.ts'
import { readContextLabel } from '../../../host-agent/plugins/pkcs11/context-label.ts'
import { PinMemory } from '../../../host-agent/plugins/pkcs11/pin-memory.ts'
import { readTemplate, Template, writeAttribute } from '../../../host-agent/plugins/pkcs11/wire/attributes.ts'
import { readCall } from '../../../host-agent/plugins/pkcs11/wire/calls.ts'
import { agreedVersion, Frames, frame } from '../../../host-agent/plugins/pkcs11/wire/frames.ts'
import { Malformed, Reader } from '../../../host-agent/plugins/pkcs11/wire/reader.ts'
import { Writer } from '../../../host-agent/plugins/pkcs11/wire/writer.ts'
import { contextInfo } from '../../../protocol/envelope/context.ts'
import { fuzz } from '../../fuzz/fuzz.ts'
import { door } from '../../fuzz/pkcs11.ts'
import { noMechanism, oaep, oneOfEach, pkcs1, request, u } from './requests.ts'

t.setTimeout(240_000)

const MALFORMED = { name: 'Malformed' }
const refusal = (rv: number) => Object.assign(new Error(`refused with ${rv}`), { rv })

t.test('When a client greets, then it is answered with what both speak', async t => {
  for (const [offered, agreed] of [
    [0, 0],
    [1, 1],
    [2, 1],
    [255, 1],
  ] as const) {
    const frames = new Frames()
    t.same(frames.push(Uint8Array.of(offered)), [])
    t.equal(frames.offered, offered)
    t.equal(agreedVersion(offered), agreed)
  }
})

t.test('When messages come in pieces, then they are whole again', async t => {
  const frames = new Frames()
  const sent = Buffer.concat([Uint8Array.of(1), frame(7, Buffer.from('abc')), frame(8, Buffer.from(''))])
  const got = [...sent].flatMap(byte => frames.push(Uint8Array.of(byte)))
  t.same(
    got.map(({ code, body }) => [code, Buffer.from(body).toString()]),
    [
      [7, 'abc'],
      [8, ''],
    ],
  )
})

t.test('When a frame is too long, or has no number, then it is not waited for', async t => {
  for (const header of [
    [0, 0, 4],
    [1, 0, 65_537],
    [1, 4097, 4],
    [1, 0, 0xffff_ffff],
  ]) {
    const bytes = Buffer.alloc(13)
    for (const [i, value] of header.entries()) bytes.writeUInt32BE(value, 1 + 4 * i)
    t.throws(() => new Frames().push(bytes), MALFORMED, header.join())
  }
})

t.test(
  'When a client offers 2, then its mechanisms are read in the newer way, though 1 is spoken',
  async t => {
    const label = Buffer.from('label')
    for (const offered of [0, 1, 2, 3]) {
      const { args } = readCall(request('decryptInit', u(1), oaep({ label, offered }), u(5)), offered)
      t.same(args, [1, { type: CKM.RSA_PKCS_OAEP, hash: CKM.SHA256, mgf: 2, source: 1, label }, 5])
      t.same(readCall(request('decryptInit', u(1), pkcs1(offered), u(5)), offered).args[1], {
        type: CKM.RSA_PKCS,
      })
      t.equal(readCall(request('decryptInit', u(1), noMechanism, u(5)), offered).args[1], null)
      const other = offered < 2 ? 2 : 1
      t.throws(() => readCall(request('decryptInit', u(1), pkcs1(other), u(5)), offered), MALFORMED)
    }
    const without = request('decryptInit', u(1), w => w.uint32(CKM.RSA_PKCS_OAEP).byte(0), u(5))
    t.throws(() => readCall(without, 2), refusal(CKR.MECHANISM_PARAM_INVALID))
    const aes = request('decryptInit', u(1), w => w.uint32(0x1082).bytes(new Uint8Array(16)), u(5))
    t.throws(() => readCall(aes, 1), refusal(CKR.MECHANISM_INVALID))
  },
)

t.test('When a call is not answered here, then it says so before anything of it is read', async t => {
  for (const id of [0, 9, 14, 20, 42, 58, 64, 65, 86, 90, 0xffff_ffff])
    t.throws(
      () => readCall(new Writer().uint32(id).bytes(Buffer.from('??')).finish(), 1),
      refusal(CKR.FUNCTION_NOT_SUPPORTED),
    )
  t.throws(() => readCall(new Writer().uint32(2).bytes(Buffer.from('u')).finish(), 1), MALFORMED)
})

t.test('When a request has a byte too few or too many, then it is not read', async t => {
  for (const offered of [1, 2])
    for (const body of oneOfEach(offered)) {
      t.ok(readCall(body, offered))
      t.throws(() => readCall(Buffer.concat([body, Uint8Array.of(0)]), offered), MALFORMED)
      for (let length = 0; length < body.length; length++)
        try {
          readCall(body.subarray(0, length), offered)
          t.fail(`${length} of ${body.length} bytes were read`)
        } catch (error) {
          if (!(error instanceof Malformed || error instanceof Refusal)) throw error
        }
    }
})

t.test(
  'When templates are inside of each other, or promise more than there is, then they are not followed',
  async t => {
    const nested = (depth: number): Uint8Array => {
      const writer = new Writer()
      for (let i = 0; i < depth; i++) writer.uint32(1).uint32(CKA.WRAP_TEMPLATE).byte(1).uint32(24)
      return writer.uint32(0).finish()
    }
    t.same([...readTemplate(new Reader(nested(1)))], [[CKA.WRAP_TEMPLATE, new Template()]])
    for (const depth of [2, 3, 4000]) t.throws(() => readTemplate(new Reader(nested(depth))), MALFORMED)
    const wantedNested = new Writer().uint32(24).bytes(Buffer.from('uufA')).ulong(1).ulong(1)
    for (let i = 0; i < 4000; i++) wantedNested.uint32(1).uint32(CKA.UNWRAP_TEMPLATE).uint32(24)
    t.throws(() => readCall(wantedNested.uint32(0).finish(), 1), MALFORMED)
    for (const count of [65, 0xffff_ffff])
      t.throws(
        () => readTemplate(new Reader(new Writer().uint32(count).padded('', 4000).finish())),
        MALFORMED,
      )
    const twice = new Writer().uint32(2)
    for (let i = 0; i < 2; i++) writeAttribute(twice, CKA.TOKEN, true)
    t.throws(() => readTemplate(new Reader(twice.finish())), MALFORMED)
  },
)

t.test('When a label is that of a place, then the place is read from it, and from nothing else', async t => {
  const place = { namespace: 'default', key: 'bound', field: 'card.number', record: 'straße/42' }
  const label = contextInfo(place)
  t.same(readContextLabel(label), place)
  t.same(readContextLabel(contextInfo({ ...place, record: '' })), { ...place, record: '' })
  for (let length = 0; length < label.length; length++)
    t.equal(readContextLabel(label.subarray(0, length)), null, `${length} bytes`)
  t.equal(readContextLabel(Buffer.concat([label, Buffer.from('x')])), null)
  for (let at = 0; at < label.length; at++) {
    const other = Uint8Array.from(label)
    other[at]! ^= 0x80
    t.equal(readContextLabel(other), null, `byte ${at}`)
  }
})

t.test(
  'When wrong PINs are tried while the device asks for none, then soon none is taken for a while',
  async t => {
    let now = 0
    const pins = new PinMemory(() => now)
    const [right, wrong] = [Buffer.from('246810'), Buffer.from('246811')]
    t.equal(await pins.accepts(wrong), true, 'none was seen yet')
    await pins.remember(right)
    t.equal(await pins.accepts(right), true)
    for (let i = 0; i < 5; i++) t.equal(await pins.accepts(wrong), false)
    t.equal(pins.isLocked, true)
    t.equal(await pins.accepts(right), false)
    now = 60_001
    t.equal(pins.isLocked, false)
    t.equal(await pins.accepts(right), true)
  },
)

t.test(
  'When 100,000 mutated requests come, then each is answered, refused, or ends its connection',
  async t => {
    const report = await fuzz(door, { seed: 11, inputs: 100_000, until: Number.POSITIVE_INFINITY })
    t.equal(report.fault, undefined)
    t.equal(report.count, 100_000)
    for (const fate of ['answered', 'refused', 'broken'])
      t.ok(report.fates[fate]! > 1000, `${fate}: ${report.fates[fate]}`)
  },
)
