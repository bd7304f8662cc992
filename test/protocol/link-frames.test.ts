/** The codec of the serial line: COBS, frames, decoder, HELLO. */

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { cobsBound, decodeCobs, encodeCobs } from '../../protocol/link/cobs.ts'
import { FrameDecoder } from '../../protocol/link/decoder.ts'
import {
  type Discard,
  encodeFrame,
  type Frame,
  frameBuffer,
  HEAD,
  KIND,
  type Kind,
  MAX_ENCODED,
  MAX_PAYLOAD,
  parseFrame,
} from '../../protocol/link/frame.ts'
import { readHello, writeHello } from '../../protocol/link/hello.ts'

/** Asserts the property and says so, so that no claim passes by saying nothing. */
function holds(t: Test, ...args: Parameters<typeof fc.assert>): void {
  fc.assert(...args)
  t.pass('holds')
}

function cobs(bytes: Buffer): Buffer {
  const target = Buffer.alloc(cobsBound(bytes.length))
  return target.subarray(0, encodeCobs(bytes, target, 0))
}

function uncobs(bytes: Buffer): Buffer | null {
  const target = Buffer.alloc(bytes.length)
  const length = decodeCobs(bytes, target)
  return length < 0 ? null : target.subarray(0, length)
}

/** A frame on the wire, with its final zero. */
function wire(frame: { kind: number; session: number; payload: Uint8Array }): Buffer {
  const raw = frameBuffer()
  raw.set(frame.payload, HEAD)
  const target = Buffer.alloc(MAX_ENCODED + 1)
  const end = encodeFrame(frame.kind as Kind, frame.session, raw, frame.payload.length, target, 0)
  return target.subarray(0, end)
}

/** Bytes with many zeros and many long runs without one, which is where COBS can go wrong. */
const lumpy = fc
  .array(
    fc.record({
      byte: fc.constantFrom(0, 1, 0xfe, 0xff),
      times: fc.constantFrom(1, 2, 16, 17, 253, 254, 255, 508),
    }),
    { maxLength: 8 },
  )
  .map(runs => Buffer.concat(runs.map(run => Buffer.alloc(run.times, run.byte))))
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

const session = fc.integer({ min: 1, max: 0xffff_ffff })
const anyFrame = fc.oneof(
  fc.record({
    kind: fc.constant(KIND.DATA),
    session,
    payload: fc
      .oneof(bytes(60), lumpy)
      .map(b => Buffer.concat([Buffer.alloc(4), b]).subarray(0, MAX_PAYLOAD)),
  }),
  fc.record({
    kind: fc.constantFrom(KIND.CREDIT, KIND.CLOSE),
    session,
    payload: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(b => Buffer.from(b)),
  }),
  fc.record({ kind: fc.constantFrom(KIND.OPEN, KIND.RESET), session, payload: fc.constant(Buffer.alloc(0)) }),
  fc.record({
    kind: fc.constantFrom(KIND.PING, KIND.PONG),
    session: fc.constant(0),
    payload: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(b => Buffer.from(b)),
  }),
)

/** Feeds `stream` in pieces cut at `cuts`. */
function decode(stream: Buffer, cuts: readonly number[]): (Frame | Discard)[] {
  const decoder = new FrameDecoder()
  const edges = [0, ...cuts.map(cut => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  return edges.slice(1).flatMap((end, i) => decoder.push(stream.subarray(edges[i], end)))
}

const framesOf = (found: (Frame | Discard)[]) => found.filter(each => 'kind' in each)
const cuts = fc.array(fc.nat(), { maxLength: 30 })

t.test('COBS', async t => {
  // Cheshere and Baker's rules by hand: the code counts itself, 0xff stands for 254 bytes and no zero
  for (const [plain, coded] of [
    ['', '01'],
    ['00', '0101'],
    ['0000', '010101'],
    ['11220033', '0311220233'],
    ['11000000', '0211010101'],
  ] as const) {
    t.equal(cobs(Buffer.from(plain, 'hex')).toString('hex'), coded, `${plain || 'nothing'} is ${coded}`)
  }
  t.test('When bytes are encoded, then no zero is in them and they decode to themselves', async t => {
    holds(
      t,
      fc.property(fc.oneof(bytes(600), lumpy), plain => {
        const coded = cobs(plain)
        return !coded.includes(0) && coded.length <= cobsBound(plain.length) && uncobs(coded)!.equals(plain)
      }),
      { numRuns: 500 },
    )
    for (const byte of [0, 1, 0xff]) {
      for (const length of [0, 1, 16, 17, 18, 252, 253, 254, 255, 256, 507, 508, 509, 762, 4095, 4096]) {
        for (const tail of ['', '00', '0000', 'ff']) {
          const plain = Buffer.concat([Buffer.alloc(length, byte), Buffer.from(tail, 'hex')])
          if (!uncobs(cobs(plain))?.equals(plain)) t.fail(`${length} times ${byte}, then ${tail}`)
        }
      }
    }
  })
  t.test('When the input is not COBS, then the answer is -1 and never more bytes than went in', async t => {
    holds(
      t,
      fc.property(bytes(600), noise => {
        const target = Buffer.alloc(noise.length)
        const length = decodeCobs(noise, target)
        return noise.includes(0) || noise.length === 0 ? length === -1 : length >= -1 && length < noise.length
      }),
      { numRuns: 500 },
    )
    for (const bad of ['', '00', '02', '0211ff', '031100'])
      t.equal(uncobs(Buffer.from(bad, 'hex')), null, bad)
  })
})

t.test('When the byte stream is cut anywhere, then the same frames come out', async t => {
  holds(
    t,
    fc.property(fc.array(anyFrame, { maxLength: 12 }), cuts, (frames, at) => {
      const found = decode(Buffer.concat(frames.map(wire)), at)
      return JSON.stringify(found) === JSON.stringify(frames)
    }),
    { numRuns: 300 },
  )
})

t.test('When noise stands between frames, then every frame is found and the noise is counted', async t => {
  holds(
    t,
    fc.property(fc.array(fc.tuple(bytes(80), anyFrame), { maxLength: 8 }), cuts, (pairs, at) => {
      const stream = pairs.flatMap(([noise, frame]) => [noise, Buffer.alloc(1), wire(frame)])
      const found = decode(Buffer.concat(stream), at)
      const noisy = pairs
        .flatMap(([noise]) => noise.toString('latin1').split('\0'))
        .filter(part => part.length > 0)
      const dropped = found.filter(each => 'discard' in each)
      return (
        JSON.stringify(framesOf(found)) === JSON.stringify(pairs.map(([, frame]) => frame)) &&
        dropped.length === noisy.length &&
        dropped.reduce((sum, each) => sum + each.bytes, 0) === noisy.join('').length
      )
    }),
    { numRuns: 300 },
  )
  const found = decode(
    Buffer.concat([
      Buffer.from('AT+GCAP\r\nATI\r\n'),
      wire({ kind: 2, session: 1, payload: Buffer.alloc(0) }),
    ]),
    [],
  )
  t.equal(found.length, 1, 'noise with no zero before a frame takes the frame with it')
  t.ok('discard' in found[0]!)
})

t.test(
  'When bytes of a frame are changed, cut off or doubled, then that frame is a discard and the next is found',
  async t => {
    holds(
      t,
      fc.property(
        anyFrame,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom('flip', 'cut', 'double'),
        cuts,
        (frame, where, flip, how, at) => {
          const good = wire(frame)
          const body = good.subarray(0, -1)
          const i = where % body.length
          const torn =
            how === 'flip'
              ? Buffer.from(body.map((byte, j) => (j === i ? byte ^ flip : byte)))
              : how === 'cut'
                ? body.subarray(0, i)
                : Buffer.concat([body, body])
          const found = decode(Buffer.concat([torn, Buffer.alloc(1), good]), at)
          return JSON.stringify(framesOf(found)) === JSON.stringify([frame])
        },
      ),
      { numRuns: 500 },
    )
  },
)

t.test('Every discard has its reason', async t => {
  const reason = (encoded: Buffer) => {
    const found = parseFrame(encoded)
    return 'discard' in found ? found.discard : 'none'
  }
  const none = Buffer.alloc(0)
  const body = (kind: number, session: number, payload: Uint8Array) =>
    wire({ kind, session, payload }).subarray(0, -1)
  t.equal(reason(Buffer.from([9, 1])), 'cobs')
  t.equal(reason(cobs(Buffer.alloc(8))), 'short')
  t.equal(reason(cobs(Buffer.alloc(9, 1))), 'crc')
  for (const kind of [0, 9, 255]) t.equal(reason(body(kind, 1, none)), 'kind')
  t.equal(reason(body(KIND.OPEN, 0, none)), 'payload', 'a session number of 0')
  t.equal(reason(body(KIND.PING, 1, Buffer.alloc(4))), 'payload', 'a PING of a session')
  t.equal(reason(body(KIND.OPEN, 1, Buffer.alloc(1))), 'payload')
  t.equal(reason(body(KIND.DATA, 1, Buffer.alloc(3))), 'payload')
  t.equal(reason(body(KIND.CREDIT, 1, Buffer.alloc(5))), 'payload')
  t.equal(reason(Buffer.alloc(MAX_ENCODED + 1, 1)), 'too-long')
  t.equal(reason(body(KIND.DATA, 1, Buffer.alloc(MAX_PAYLOAD, 7))), 'none', 'the largest frame')
})

t.test(
  'When a run has no end, then it is dropped as it arrives, counted once, and the next frame is found',
  async t => {
    const decoder = new FrameDecoder()
    const chunk = Buffer.alloc(65_536, 0x41)
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 512; i++) t.strictSame(decoder.push(chunk).length, 0)
    t.ok(process.memoryUsage().arrayBuffers - before < 1_048_576, 'nothing was kept')
    const frame = { kind: KIND.OPEN, session: 3, payload: Buffer.alloc(0) }
    const found = decoder.push(Buffer.concat([Buffer.alloc(1), wire(frame)]))
    t.strictSame(found[0], { discard: 'too-long', bytes: 512 * 65_536 })
    t.match(found[1], { kind: KIND.OPEN, session: 3 })
  },
)

t.test('The example of docs/formats/link.md', async t => {
  const hi = Buffer.concat([Buffer.alloc(4), Buffer.from('hi')])
  t.equal(
    wire({ kind: KIND.OPEN, session: 1, payload: Buffer.alloc(0) }).toString('hex'),
    '020201010601cbe594eb00',
  )
  t.equal(
    wire({ kind: KIND.DATA, session: 1, payload: hi }).toString('hex'),
    '020301010201010101076869cd58e40a00',
  )
})

t.test('HELLO', async t => {
  const buffer = Buffer.alloc(600)
  const hello = {
    version: 1,
    side: 'device',
    epoch: 7,
    heard: 9,
    deviceId: 'schlüssel',
    state: 'locked',
  } as const
  const payload = () => buffer.subarray(0, writeHello(hello, buffer, 0))
  t.strictSame(readHello(payload()), hello)
  const long = writeHello({ ...hello, state: 'ä'.repeat(500) }, buffer, 0)
  t.equal(readHello(buffer.subarray(0, long))?.state, 'ä'.repeat(127), 'long text is cut between characters')
  t.equal(readHello(Buffer.from([2, ...payload().subarray(1)])), null, 'another version')
  t.test('When the payload is anything else, then null', async t => {
    holds(
      t,
      fc.property(bytes(80), noise => readHello(noise) === null || noise[0] === 1),
    )
    const good = Buffer.from(payload())
    for (let i = 0; i < good.length; i++) t.equal(readHello(good.subarray(0, i)), null)
    t.equal(readHello(Buffer.concat([good, Buffer.alloc(1)])), null)
  })
})
