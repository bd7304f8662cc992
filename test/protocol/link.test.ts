/** The multiplexer: sessions, credit, greeting, and a peer that means no good. */

import { once } from 'node:events'
import { Duplex, duplexPair } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { START_CREDIT, WINDOW } from '../../protocol/link/credit.ts'
import { FrameDecoder } from '../../protocol/link/decoder.ts'
import {
  encodeFrame,
  type Frame,
  frameBuffer,
  HEAD,
  KIND,
  type Kind,
  MAX_ENCODED,
} from '../../protocol/link/frame.ts'
import { type Side, writeHello } from '../../protocol/link/hello.ts'
import { Link } from '../../protocol/link/link.ts'

const NONE = Buffer.alloc(0)
const u32 = (n: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n >>> 0)
  return bytes
}

function wire(kind: Kind, session: number, payload: Buffer = NONE): Buffer {
  const raw = frameBuffer()
  payload.copy(raw, HEAD)
  const target = Buffer.alloc(MAX_ENCODED + 1)
  return target.subarray(0, encodeFrame(kind, session, raw, payload.length, target, 0))
}

const data = (session: number, offset: number, bytes: Buffer | string) =>
  wire(KIND.DATA, session, Buffer.concat([u32(offset), Buffer.from(bytes as string)]))

/** Bytes that can be told apart by session and position. */
function pattern(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let x = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    // every fourth byte zero: the hard case of the codec
    bytes[i] = (x & 0x300) === 0 ? 0 : x & 0xff
  }
  return bytes
}

/** A peer played by hand on the far end of a link's port. */
class Peer {
  readonly port: Duplex
  readonly seen: Frame[] = []
  readonly side: Side
  constructor(port: Duplex, side: Side) {
    this.port = port
    this.side = side
    const decoder = new FrameDecoder()
    port.on('data', chunk => {
      for (const each of decoder.push(chunk)) if ('kind' in each) this.seen.push(each)
    })
  }
  hello(epoch = 77, heard = 0): void {
    const payload = Buffer.alloc(600)
    const text = { deviceId: 'peer', state: '' }
    const length = writeHello({ version: 1, side: this.side, epoch, heard, ...text }, payload, 0)
    this.port.write(wire(KIND.HELLO, 0, payload.subarray(0, length)))
  }
  of(kind: Kind): Frame[] {
    return this.seen.filter(frame => frame.kind === kind)
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

function twoEnds() {
  const [a, b] = duplexPair({ highWaterMark: 65_536 })
  const host = new Link({ side: 'host' })
  const device = new Link({ side: 'device', hello: { deviceId: 'clv-1', state: 'locked' } })
  return { a, b, host, device }
}

async function greeted() {
  const ends = twoEnds()
  const hello = once(ends.host, 'hello')
  ends.device.attach(ends.b)
  ends.host.attach(ends.a)
  await hello
  return ends
}

/** A device link and a hand-played host that has greeted. */
async function deviceAndPeer(maxSessions = 64) {
  const [a, b] = duplexPair({ highWaterMark: 65_536 })
  const device = new Link({ side: 'device', maxSessions })
  const sessions: Duplex[] = []
  device.on('session', session => sessions.push(session))
  const peer = new Peer(a, 'host')
  device.attach(b)
  peer.hello()
  await settle()
  return { device, peer, sessions, port: b }
}

async function failure(stream: Duplex): Promise<unknown> {
  if (stream.errored) return stream.errored
  const [error] = await once(stream, 'error')
  return error
}

t.test('When both ends attach, then they know each other, in either order', async t => {
  for (const order of ['host first', 'device first']) {
    const { a, b, host, device } = twoEnds()
    const [onHost, onDevice] = [once(host, 'hello'), once(device, 'hello')]
    if (order === 'host first') host.attach(a)
    device.attach(b)
    if (order !== 'host first') host.attach(a)
    t.match((await onHost)[0], { version: 1, side: 'device', deviceId: 'clv-1', state: 'locked' }, order)
    t.match((await onDevice)[0], { side: 'host' })
    t.ok((await host.ping()) >= 0)
    const changed = once(host, 'hello')
    device.announce({ state: 'operational' })
    t.match((await changed)[0], { deviceId: 'clv-1', state: 'operational' })
    await settle()
    t.ok(host.counters.framesOut < 8, 'the greetings come to an end')
  }
})

t.test('When 32 sessions run and one reader stalls, then the others deliver exactly their bytes', async t => {
  const { host, device } = await greeted()
  const stalled: Duplex[] = []
  device.on('session', session => {
    session.once('readable', () => {
      const id = session.read(1) as Buffer
      if (id[0] === 0) stalled.push(session)
      else {
        session.unshift(id)
        session.pipe(session)
      }
    })
  })
  const stuck = host.open()
  const stuckBytes = pattern(1_000, 600_000)
  stuck.end(Buffer.concat([Buffer.from([0]), stuckBytes]))
  let finished = false
  stuck.on('finish', () => {
    finished = true
  })
  await Promise.all(
    Array.from({ length: 31 }, async (_, i) => {
      const bytes = pattern(i + 1, (i * 7_919 * 13) % 400_000)
      const session = host.open()
      session.write(Buffer.from([i + 1]))
      for (let at = 0; at < bytes.length; at += 1 + ((i * 997) % 9_000)) {
        const piece = bytes.subarray(at, at + 1 + ((i * 997) % 9_000))
        if (!session.write(piece)) await once(session, 'drain')
        session.write(NONE)
      }
      session.end()
      const back = await buffer(session)
      if (!back.subarray(1).equals(bytes)) t.fail(`session ${i} has other bytes`)
    }),
  )
  t.equal(finished, false, 'the stalled one waits for credit')
  const rest = buffer(stalled[0]!)
  t.ok((await rest).equals(stuckBytes), 'and when its reader goes on, everything is there')
  stalled[0]!.end()
  await buffer(stuck)
  await settle()
  t.equal(host.sessions, 0)
  t.equal(device.sessions, 0)
  t.match(host.counters, { noiseBytes: 0, gaps: 0, resetsOut: 0, resetsIn: 0, creditViolations: 0 })
})

t.test('When sizes, pieces and pauses vary, then the bytes arrive in both directions', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(9_000), { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5_000 }),
      async (writes, cut) => {
        const host = new Link({ side: 'host' })
        const device = new Link({ side: 'device' })
        device.on('session', session => session.pipe(session))
        const [a, b] = cutPair(cut)
        host.attach(a)
        device.attach(b)
        const results = await Promise.all(
          writes.map(async (sizes, i) => {
            const parts = sizes.map((size, j) => pattern(i * 100 + j + 1, size))
            const session = host.open()
            for (const part of parts) session.write(part)
            session.end()
            return (await buffer(session)).equals(Buffer.concat(parts))
          }),
        )
        host.detach()
        device.detach()
        return results.every(Boolean)
      },
    ),
    { numRuns: 60 },
  )
  t.pass()
})

/** A pair whose bytes arrive in pieces of `size`. */
function cutPair(size: number): [Duplex, Duplex] {
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        for (let at = 0; at < chunk.length; at += size) other().push(chunk.subarray(at, at + size))
        setImmediate(callback)
      },
    })
  const a: Duplex = end(() => b)
  const b: Duplex = end(() => a)
  return [a, b]
}

t.test('When a peer gives credit, then never more than that is sent, and turns are shared', async t => {
  const [a, b] = duplexPair({ highWaterMark: 65_536 })
  const host = new Link({ side: 'host' })
  const peer = new Peer(b, 'device')
  host.attach(a)
  await settle()
  peer.hello(5, peer.of(KIND.HELLO)[0]!.payload.readUInt32BE(2))
  const bulk = host.open()
  bulk.write(Buffer.alloc(1_000_000, 1))
  const second = host.open()
  second.write(Buffer.alloc(40_000, 2))
  await settle()
  const sent = (id: number) =>
    peer.of(KIND.DATA).reduce((sum, frame) => sum + (frame.session === id ? frame.payload.length - 4 : 0), 0)
  t.equal(sent(1), START_CREDIT)
  t.equal(sent(2), 40_000)
  const order = peer.of(KIND.DATA).map(frame => frame.session)
  t.strictSame(order.slice(0, 8), [1, 2, 1, 2, 1, 2, 1, 2], 'frame by frame')
  b.write(wire(KIND.CREDIT, 1, u32(START_CREDIT + 10)))
  await settle()
  t.equal(sent(1), START_CREDIT + 10)
  b.write(wire(KIND.CREDIT, 1, u32(START_CREDIT + 11 + WINDOW)))
  t.match(await failure(bulk), { code: 'link-failed' }, 'credit that no reader has is refused')
  await settle()
  t.strictSame(
    peer.of(KIND.RESET).map(frame => frame.session),
    [1],
  )
  t.equal(host.counters.creditViolations, 1)
})

t.test('A session is a Duplex', async t => {
  const { a, b, host, device } = await greeted()
  const accepted = async () => (await once(device, 'session'))[0] as Duplex
  const open = async () => {
    const incoming = accepted()
    const near = host.open()
    return { near, far: await incoming }
  }

  t.test('When one half ends, then the other half still carries bytes', async t => {
    const { near, far } = await open()
    near.end('question')
    t.equal(String(await buffer(far)), 'question')
    far.write(pattern(3, 100_000))
    far.end('tail')
    const back = await buffer(near)
    t.equal(back.length, 100_004)
    t.equal(back.toString('latin1', 100_000), 'tail')
  })

  t.test('When one side is destroyed, then the other fails with link-failed', async t => {
    for (const error of [undefined, new Error('mine')]) {
      const { near, far } = await open()
      far.destroy(error)
      t.match(await failure(near), { code: 'link-failed' })
      t.ok(near.destroyed)
    }
  })

  t.test('When a side ends and is destroyed at once, then no tail is lost', async t => {
    const { near, far } = await open()
    far.end(pattern(4, 50_000))
    far.on('finish', () => far.destroy())
    await once(far, 'close')
    await settle()
    near.write('into the void')
    t.ok((await buffer(near)).equals(pattern(4, 50_000)))
    near.end()
    await once(near, 'close')
  })

  t.test('When nothing is written, then the end arrives all the same', async t => {
    const { near, far } = await open()
    near.write(NONE)
    near.end()
    far.end()
    t.equal((await buffer(far)).length + (await buffer(near)).length, 0)
  })

  t.test('When a session is destroyed before it was announced, then the peer never hears of it', async t => {
    const before = device.counters.opened
    host.open().destroy()
    await settle()
    t.equal(device.counters.opened, before)
  })

  t.test('When sessions end in any way, then the port is never touched', async t => {
    await settle()
    t.notOk(a.destroyed || b.destroyed || a.writableEnded || b.writableEnded)
    t.equal(host.sessions, 0)
    t.equal(device.sessions, 0)
    t.ok((await host.ping()) >= 0)
  })
})

t.test('When an end is killed and starts again on the same port, then the next session works', async t => {
  for (const killed of ['host', 'device'] as const) {
    const { a, b, host, device } = await greeted()
    const echo = (session: Duplex) => session.pipe(session)
    device.on('session', echo)
    const old = host.open()
    old.write(pattern(9, 300_000))
    await turn()
    let [next, server] = [host, device]
    // what a dead process leaves: bytes on the way, half a frame, and no goodbye
    if (killed === 'host') {
      host.detach()
      a.write(wire(KIND.DATA, 1, Buffer.alloc(900)).subarray(0, 400))
      next = new Link({ side: 'host' })
      next.attach(a)
    } else {
      device.detach()
      b.write(wire(KIND.DATA, 1, Buffer.alloc(900)).subarray(0, 400))
      server = new Link({ side: 'device' })
      server.on('session', echo)
      server.attach(b)
    }
    t.match(await failure(old), { code: 'link-failed' }, `${killed}: the old session fails`)
    const fresh = next.open()
    fresh.end(pattern(10, 200_000))
    t.ok((await buffer(fresh)).equals(pattern(10, 200_000)), `${killed}: a new one delivers`)
    await settle()
    t.equal(next.sessions, 0)
    t.equal(server.sessions, 0, `${killed}: no session of the dead is left`)
  }
})

t.test('When the port closes, then all sessions fail, and a new port works', async t => {
  const { a, host, device } = await greeted()
  device.on('session', session => session.pipe(session))
  const sessions = [host.open(), host.open()]
  const ping = host.ping()
  a.destroy()
  for (const session of sessions) t.match(await failure(session), { code: 'link-failed' })
  await t.rejects(ping, { code: 'link-failed' })
  t.match(await failure(host.open()), { code: 'link-failed' }, 'without a port')
  await t.rejects(host.ping(), { code: 'link-failed' })
  const [c, d] = duplexPair()
  host.attach(c)
  device.attach(d)
  const fresh = host.open()
  fresh.end('again')
  t.equal(String(await buffer(fresh)), 'again')
  t.equal(host.counters.attached, 2)
})

t.test('When an answer is lost, then the host asks again, and no more once it was answered', async t => {
  const due: (() => void)[] = []
  const timers = {
    setTimeout: (callback: () => void) => due.push(callback),
    clearTimeout: () => due.splice(0),
  }
  const [a, b] = duplexPair()
  const host = new Link({ side: 'host', timers })
  const peer = new Peer(b, 'device')
  host.attach(a)
  await settle()
  const session = host.open()
  session.write('waits')
  for (let i = 0; i < 3; i++) {
    for (const callback of due.splice(0)) callback()
    await settle()
  }
  t.equal(peer.of(KIND.HELLO).length, 4)
  peer.hello(6, 12_345)
  await settle()
  t.equal(peer.of(KIND.OPEN).length, 0, 'a greeting for a dead process is not an answer')
  peer.hello(6, peer.of(KIND.HELLO)[0]!.payload.readUInt32BE(2))
  await settle()
  t.equal(peer.of(KIND.OPEN).length, 1)
  t.equal(due.length, 0)
  const ping = host.ping()
  for (const callback of due.splice(0)) callback()
  await t.rejects(ping, { code: 'link-failed' }, 'a ping without an answer')
})

t.test('When a frame of a session is lost, then the session fails and never skips bytes', async t => {
  const { device, peer, sessions } = await deviceAndPeer()
  peer.port.write(wire(KIND.OPEN, 1))
  peer.port.write(data(1, 0, 'first'))
  const torn = data(1, 5, 'second')
  torn[7]! ^= 0x55
  peer.port.write(torn)
  peer.port.write(data(1, 11, 'third'))
  await settle()
  t.equal(sessions.length, 1)
  t.match(await failure(sessions[0]!), { code: 'link-failed' })
  t.equal(device.counters.gaps, 1)
  t.equal(device.counters.crc + device.counters.badCobs, 1)
  peer.port.write(wire(KIND.OPEN, 2))
  peer.port.write(data(2, 0, 'all'))
  peer.port.write(wire(KIND.CLOSE, 2, u32(4)))
  await settle()
  t.match(await failure(sessions[1]!), { code: 'link-failed' }, 'a CLOSE behind a loss')
})

t.test('When a host breaks the rules, then it gets RESET and a count', async t => {
  const { device, peer, sessions } = await deviceAndPeer(3)
  const resets = () => peer.of(KIND.RESET).map(frame => frame.session)
  for (const id of [1, 2, 3, 4]) peer.port.write(wire(KIND.OPEN, id))
  await settle()
  t.strictSame(resets(), [4], 'too many sessions')
  t.equal(device.counters.refusedOpens, 1)
  peer.port.write(wire(KIND.OPEN, 1))
  await settle()
  t.match(sessions[0]!.errored, { code: 'link-failed' })
  t.strictSame(resets(), [4, 1], 'the same number twice')
  t.equal(device.counters.duplicateOpens, 1)
  for (let at = 0; at <= START_CREDIT; at += 4_000) peer.port.write(data(2, at, Buffer.alloc(4_000)))
  await settle()
  t.strictSame(resets(), [4, 1, 2], 'more than the credit')
  t.equal(device.counters.creditViolations, 1)
  peer.port.write(data(99, 0, 'x'))
  for (const kind of [KIND.CREDIT, KIND.CLOSE]) peer.port.write(wire(kind, 99, u32(1)))
  for (let i = 0; i < 10; i++) peer.port.write(wire(KIND.RESET, 98))
  await settle()
  t.strictSame(resets(), [4, 1, 2, 99], 'only DATA of an unknown session is answered, RESET never')
  t.equal(device.sessions, 1)
})

t.test(
  'When a reader stalls and a host sends single bytes, then the memory is that of the bytes',
  async t => {
    const { device, peer, sessions } = await deviceAndPeer()
    peer.port.write(wire(KIND.OPEN, 1))
    await settle()
    // a reader that begins and then stops
    sessions[0]!.read(0)
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const used = () => {
      // array buffers are freed one collection after their owners
      for (let i = 0; i < 3; i++) gc()
      const { arrayBuffers, heapUsed } = process.memoryUsage()
      return arrayBuffers + heapUsed
    }
    const before = used()
    for (let at = 0; at < START_CREDIT; at += 512) {
      peer.port.write(Buffer.concat(Array.from({ length: 512 }, (_, i) => data(1, at + i, 'x'))))
      await turn()
    }
    await settle()
    t.ok(used() - before < 4_000_000)
    t.ok(sessions[0]!.readableLength <= 1, 'the stream itself holds one chunk')
    let got = 0
    sessions[0]!.on('data', chunk => {
      got += chunk.length
    })
    await settle()
    t.equal(got, START_CREDIT)
    t.equal(device.counters.gaps, 0)
  },
)

t.test('When the line echoes, then nothing is opened and no storm begins', async t => {
  for (const side of ['host', 'device'] as const) {
    const [a, b] = duplexPair()
    const link = new Link({ side })
    link.attach(a)
    b.pipe(b)
    if (side === 'host') link.open().write('hello?')
    await settle()
    t.ok(link.counters.echoed >= 1 && link.counters.framesOut < 4, side)
    t.equal(link.greeted, false)
    link.detach()
  }
})

t.test(
  'When a hostile peer sends any frames in any order, then nothing is thrown and all is bounded',
  async t => {
    const id = fc.integer({ min: 1, max: 90 })
    const value = fc.oneof(fc.nat(70_000), fc.integer({ min: 0, max: 0xffff_ffff }))
    const anything = fc.oneof(
      { weight: 3, arbitrary: id.map(i => wire(KIND.OPEN, i)) },
      {
        weight: 4,
        arbitrary: fc.tuple(id, fc.nat(9), fc.nat(4_000)).map(([i, at, n]) => data(i, at, Buffer.alloc(n))),
      },
      { weight: 3, arbitrary: fc.tuple(id, value).map(([i, v]) => wire(KIND.CREDIT, i, u32(v))) },
      fc.tuple(id, value).map(([i, v]) => wire(KIND.CLOSE, i, u32(v))),
      id.map(i => wire(KIND.RESET, i)),
      value.map(v => wire(KIND.PING, 0, u32(v))),
      value.map(v => wire(KIND.PONG, 0, u32(v))),
      fc.uint8Array({ maxLength: 40 }).map(noise => Buffer.concat([noise, Buffer.alloc(1)])),
      fc.constant('hello' as const),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(anything, { maxLength: 200 }),
        fc.constantFrom('host', 'device'),
        async (frames, side) => {
          const [a, b] = duplexPair()
          const link = new Link({ side, helloEvery: 60_000 })
          link.on('session', session => session.pipe(session))
          link.attach(a)
          // a peer that also reads nothing: whatever is answered has to wait
          const peer = new Peer(b, side === 'host' ? 'device' : 'host')
          await settle()
          const mine = peer.of(KIND.HELLO)[0]!.payload.readUInt32BE(2)
          peer.hello(1, mine)
          if (side === 'host') for (let i = 0; i < 8; i++) link.open().write(Buffer.alloc(5_000))
          await settle()
          b.pause()
          let epoch = 1
          for (const frame of frames) {
            if (frame === 'hello') peer.hello(++epoch, mine)
            else b.write(frame)
          }
          await settle()
          const fine = link.sessions <= 64 && a.writableLength <= 200_000 && link.attached
          link.detach()
          return fine && link.sessions === 0
        },
      ),
      { numRuns: 120 },
    )
    t.pass()
  },
)
