/** What our own processes may be sent: frames cut anywhere, bytes that are no CBOR, CBOR of another shape. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { FrameReader, frame, MAX_MESSAGE, RpcError } from '../../appliance/ipc/frame.ts'
import * as shape from '../../appliance/ipc/shape.ts'
import { PARAMS, Request, readAnswer } from '../../appliance/keeper/rpc/messages.ts'
import { type Cbor, decodeCbor } from '../../protocol/cbor.ts'
import { startInProcess } from '../support/in-process.ts'

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 40 }),
)
const cbor = fc.letrec<{ value: Cbor }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar as fc.Arbitrary<Cbor>,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

t.test('Wherever a stream of frames is cut, then the same messages come out', async t => {
  fc.assert(
    fc.property(
      fc.array(cbor, { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (messages, places) => {
        const stream = Buffer.concat(messages.map(message => frame(message)))
        const reader = new FrameReader()
        const read = cut(stream, places).flatMap(chunk => reader.push(chunk))
        t.strictSame(read, messages.map(plain))
      },
    ),
    { numRuns: 150 },
  )
  const large = frame('x'.repeat(65_536))
  const reader = new FrameReader()
  t.same(
    [...large].flatMap(byte => reader.push(Buffer.of(byte))),
    ['x'.repeat(65_536)],
    'byte by byte',
  )
})

/** A message as it comes out: bytes as Uint8Array, -0 as 0. */
function plain(message: Cbor): unknown {
  return decodeCbor(frame(message).subarray(4))
}

t.test('When bytes are no frames, then there is one error, and nothing is kept for it', async t => {
  const ends = (bytes: Uint8Array) => {
    const reader = new FrameReader()
    try {
      reader.push(Buffer.from(bytes))
      return true
    } catch (error) {
      return error instanceof RpcError && error.code === 'rpc-malformed'
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), ends), { numRuns: 500 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), body => {
      const framed = Buffer.alloc(4 + body.length)
      framed.writeUInt32BE(body.length)
      framed.set(body, 4)
      return ends(framed)
    }),
    { numRuns: 500 },
  )
  const refuses = (bytes: Buffer) => t.throws(() => new FrameReader().push(bytes), { code: 'rpc-malformed' })
  const announcing = (length: number, ...body: number[]) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    return Buffer.concat([head, Buffer.from(body)])
  }
  refuses(announcing(MAX_MESSAGE + 1))
  refuses(announcing(0xffff_ffff))
  refuses(announcing(0))
  t.same(new FrameReader().push(announcing(MAX_MESSAGE)), [], 'the largest is waited for')
  refuses(Buffer.concat([announcing(100_000), Buffer.alloc(100_000, 0x81)]))
  refuses(announcing(9, 0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff))
  refuses(announcing(5, 0x5a, 0x7f, 0xff, 0xff, 0xff))
  refuses(announcing(2, 0x18, 0x01))
  refuses(announcing(3, 0x9f, 0x01, 0xff))
  refuses(announcing(2, 0x01, 0x01))
})

const caller = {
  pin: new Uint8Array(32),
  namespace: 'default',
  role: 'administrator',
  name: 'owner',
  issuer: { namespace: 'default', role: 'authority', name: 'claviger' },
}

t.test(
  'When a gate talks nonsense to the keeper, then its connection ends and the keeper goes on',
  async t => {
    const device = await startInProcess()
    t.teardown(device.stop)
    const admin = await device.appliance.connect(device.appliance.admin)

    /** Sends bytes; what the keeper answers after its greeting until it ends the connection. */
    const nonsense = async (bytes: Buffer): Promise<unknown[]> => {
      const socket = await gate(device.socket)
      const reader = new FrameReader()
      const heard: unknown[] = []
      socket.on('data', chunk => heard.push(...reader.push(chunk)))
      socket.write(bytes)
      await closed(socket)
      return heard.slice(1)
    }
    const requests: Cbor[] = [
      null,
      'hello',
      [],
      {},
      [0, 'status', caller, {}],
      [1, 'status', caller],
      [1, 'status', caller, {}, {}],
      [-1, 'status', caller, {}],
      ['1', 'status', caller, {}],
      [1, 2, caller, {}],
      [1, 'x'.repeat(33), caller, {}],
      [1, 'status', null, {}],
      [1, 'status', { ...caller, pin: new Uint8Array(31) }, {}],
      [1, 'status', { ...caller, pin: '0'.repeat(32) }, {}],
      [1, 'status', { ...caller, extra: 1 }, {}],
      [1, 'status', { ...caller, role: 'x'.repeat(65) }, {}],
      [1, 'status', { ...caller, issuer: {} }, {}],
      [0x1_0000_0000, 'status', caller, {}],
    ]
    for (const request of requests) {
      t.notOk(Request(request) && request[0] !== 0)
      t.same(await nonsense(frame(request)), [], JSON.stringify(request)?.slice(0, 60))
    }
    t.same(await nonsense(Buffer.from('GET / HTTP/1.1\r\nhost: keeper\r\n\r\n')), [], 'HTTP')
    t.same(await nonsense(Buffer.alloc(1_000_000, 0xff)), [], 'noise')
    const nested = frame(null)
    t.same(await nonsense(Buffer.concat([nested, Buffer.alloc(100, 0x81)])), [])

    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async bytes => {
        const socket = await gate(device.socket)
        socket.resume()
        socket.end(bytes)
        await closed(socket)
      }),
      { numRuns: 50 },
    )
    t.equal((await admin.status()).state, 'operational')
  },
)

/** Unlike `once`, this takes a reset for an end. */
function closed(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}

/** A connection to the keeper, as a gate would have. */
async function gate(path: string): Promise<Socket> {
  const socket = connect(path)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

t.test(
  'When parameters have the wrong shape, then the answer is rpc-malformed and nothing was done',
  async t => {
    const device = await startInProcess()
    t.teardown(device.stop)
    const admin = await device.appliance.connect(device.appliance.admin)
    await admin.createKey('orders')
    const before = await admin.listKeys()
    const socket = await gate(device.socket)
    t.teardown(() => socket.destroy())
    const reader = new FrameReader()
    const waiting = new Map<number, (answer: unknown[]) => void>()
    socket.on('data', chunk => {
      for (const message of reader.push(chunk) as unknown[][]) waiting.get(message[0] as number)?.(message)
    })
    let id = 0
    const call = (method: string, params: Cbor) =>
      new Promise<unknown[]>(resolve => {
        waiting.set(++id, resolve)
        socket.write(frame([id, method, caller, params]))
      })
    const methods = Object.keys(PARAMS) as (keyof typeof PARAMS)[]
    for (const method of ['', 'toString', '__proto__', 'constructor', 'handle', 'Status'])
      t.match(await call(method, {}), [id, null, 'rpc-malformed'], method)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), cbor, async (method, params) => {
        fc.pre(!PARAMS[method](decodeCbor(frame(params).subarray(4))))
        const answer = await call(method, params)
        if (answer[2] !== 'rpc-malformed') throw new Error(JSON.stringify(answer))
      }),
      { numRuns: 300 },
    )
    t.same(await admin.listKeys(), before)
    t.match(await call('status', {}), [id, null, 'unknown-agent'], 'while a good request is answered')
  },
)

t.test('Whatever a shape is given, then it says yes or no', async t => {
  const shapes: shape.Shape<unknown>[] = [
    ...Object.values(PARAMS),
    Request,
    shape.nullable(shape.text(3)),
    shape.either(shape.boolean, shape.number),
  ]
  const anything = fc.anything({
    withNullPrototype: true,
    withBigInt: true,
    withTypedArray: true,
    maxDepth: 4,
  })
  fc.assert(
    fc.property(fc.constantFrom(...shapes), anything, (is, value) => typeof is(value) === 'boolean'),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(anything, value => {
      const answer = readAnswer(value)
      return answer === null || ['event', 'result', 'error'].includes(answer.kind)
    }),
    { numRuns: 500 },
  )
  t.equal(readAnswer([1, null, 'over-budget', 'd', 'h']), null)
  t.equal(readAnswer([1, null, 'over-budget', 'd', 'h', '7']), null)
  t.match(readAnswer([1, null, 'over-budget', 'd', 'h', 7]), { kind: 'error', code: 'over-budget', free: 7 })
  const point = shape.map({ x: shape.integer(9), y: shape.integer(9) })
  const rows: [unknown, boolean][] = [
    [{ x: 1, y: 9 }, true],
    [{ x: 1, y: 10 }, false],
    [{ x: 1 }, false],
    [{ x: 1, y: 2, z: 3 }, false],
    [{ x: 1, y: -1 }, false],
    [{ x: 1, y: 1.5 }, false],
    [Object.create({ x: 1, y: 2 }), false],
    [Object.assign(Object.create({ y: 2 }), { x: 1, z: 1 }), false],
    [[1, 2], false],
    [null, false],
  ]
  for (const [value, yes] of rows) t.equal(point(value), yes, JSON.stringify(value))
  t.notOk(shape.map({ toString: shape.text(9) })({}))
  t.notOk(shape.list(shape.boolean, 2)([true, true, true]))
  t.notOk(shape.bytes(4, 4)(Buffer.alloc(5)))
  t.ok(shape.bytes(4, 4)(Buffer.alloc(4)))
  t.notOk(shape.text(2)('abc'))
  t.ok(shape.text(2)('😀😀'), 'characters are code points')
  t.notOk(shape.text(2)('😀😀😀'))
  t.notOk(shape.word('a', 'b')('toString'))
  t.notOk(shape.number(Number.NaN))
  t.notOk(shape.tuple(shape.boolean)([true, true]))
})
