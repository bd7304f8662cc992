/** The tunnel socket: what it takes for a request, whom it listens to, and that it carries bytes as they are. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, duplexPair } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { watchClock } from '../../host-agent/agent/suspend.ts'
import { type Offer, serveTunnel } from '../../host-agent/agent/tunnel-server.ts'
import { ConnectionError } from '../../host-agent/client/errors.ts'
import {
  type AgentDevice,
  agentSocket,
  askAgent,
  devicesOfAgent,
  MAX_LINE,
  tunnelWire,
} from '../../host-agent/client/tunnel.ts'
import { temporaryDirectory } from '../support/appliance.ts'

const DEVICE: AgentDevice = {
  path: '/dev/ttyACM0',
  serial: '0123456789abcdef',
  state: 'locked',
  enrolments: ['till'],
  proved: true,
  greeting: '1:2',
}

/** Sends back what it gets. */
const echo = () => {
  const [near, far] = duplexPair()
  far.pipe(far)
  return near
}

async function listening(t: Test, offer: Partial<Offer> = {}): Promise<string> {
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'run', 'agent.sock')
  const server = await serveTunnel(path, { list: async () => [DEVICE], open: async () => echo(), ...offer })
  t.teardown(async () => {
    await server.close()
    await directory.remove()
  })
  return path
}

/** What comes back for raw bytes, until the other end closes. */
async function reply(path: string, bytes: Uint8Array | string): Promise<string> {
  const socket = connect(path)
  socket.on('error', () => {})
  socket.write(bytes)
  return text(socket)
}

t.test(
  'When a program asks for a device, then it gets a stream that carries every byte as it is',
  async t => {
    const asked: unknown[] = []
    const path = await listening(t, {
      open: async destination => {
        asked.push(destination)
        return echo()
      },
    })
    t.strictSame(await devicesOfAgent(path), [DEVICE])
    const wire = tunnelWire(path, { serial: DEVICE.serial! }, 'usb:')
    const bytes = randomBytes(3_000_000)
    const streams = await Promise.all([wire.open(), wire.open()])
    const received = streams.map(stream => buffer(stream))
    for (const stream of streams) stream.end(bytes)
    for (const each of await Promise.all(received)) t.ok(each.equals(bytes))
    t.match(asked, [{ serial: DEVICE.serial }, { serial: DEVICE.serial }])
    t.equal(statSync(path).mode & 0o777, 0o600)
    t.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  },
)

t.test('When either end goes, then so does the other', async t => {
  const sessions: Duplex[] = []
  const path = await listening(t, {
    open: async () => {
      const session = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      sessions.push(session)
      return session
    },
  })
  const first = (await askAgent(path, { do: 'open' }))!.socket
  first.destroy()
  await once(sessions[0]!, 'close')
  const second = (await askAgent(path, { do: 'open' }))!.socket
  const closed = once(second.resume(), 'close')
  sessions[1]!.destroy(new Error('the cable is out'))
  await closed
  t.equal(sessions.length, 2)
})

t.test('When the device cannot be reached, then the program hears why', async t => {
  const path = await listening(t, {
    open: async () => {
      throw new ConnectionError('unreachable', 'it is not there', { hint: 'plug it in' })
    },
  })
  await t.rejects(tunnelWire(path, 'only', 'usb:').open(), { message: 'it is not there', hint: 'plug it in' })
})

t.test('When anything else is sent, then it is refused, and the next program is served', async t => {
  const opened: unknown[] = []
  const path = await listening(t, {
    open: async destination => {
      opened.push(destination)
      return echo()
    },
  })
  const refused = /^\{"ok":false,"code":"[a-z-]+","message":"[^"]+"(,"hint":"[^"]+")?\}\n$/
  const wrong = ['{', '[]', 'null', '"open"', '{"do":"format"}', '{"do":"open","serial":"../x"}']
  wrong.push('{"do":"open","path":7}', 'AT+GCAP\r', '', `{"do":"list","x":"${'x'.repeat(MAX_LINE)}"}`)
  for (const line of wrong) t.match(await reply(path, `${line}\n`), refused, line.slice(0, 30))
  t.match(await reply(path, 'x'.repeat(MAX_LINE * 3)), refused, 'without an end')
  const lines = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.uint8Array({ maxLength: 300 }))
  await fc.assert(
    fc.asyncProperty(lines, async line => {
      const answer = await reply(path, Buffer.concat([Buffer.from(line as string), Buffer.from('\n')]))
      return refused.test(answer)
    }),
    { numRuns: 300 },
  )
  t.strictSame(opened, [])
  t.strictSame(await devicesOfAgent(path), [DEVICE])
})

t.test('When a program says nothing, then it does not stay for ever', async t => {
  const path = await listening(t)
  const began = performance.now()
  t.match(await reply(path, '{"do":"li'), /said nothing/)
  t.ok(performance.now() - began > 4000)
})

t.test(
  'When there is another listener, then the agent does not take its place; a dead one leaves room',
  async t => {
    const path = await listening(t)
    await t.rejects(serveTunnel(path, { list: async () => [], open: async () => echo() }), {
      message: /another claviger agent/,
    })
    t.strictSame(await devicesOfAgent(path), [DEVICE])

    // one that does not speak is another listener all the same
    const directory = await temporaryDirectory()
    t.teardown(() => directory.remove())
    const mute = join(directory.path, 'agent.sock')
    const held: Socket[] = []
    const server = createServer(socket => void held.push(socket.end('hello\n'))).listen(mute)
    await once(server, 'listening')
    await t.rejects(serveTunnel(mute, { list: async () => [], open: async () => echo() }), /another claviger/)
    await t.rejects(devicesOfAgent(mute), { code: 'bad-response' })
    server.close()
    for (const socket of held) socket.destroy()

    chmodSync(directory.path, 0o770)
    await t.rejects(serveTunnel(mute, { list: async () => [], open: async () => echo() }), {
      message: /others than you may write/,
    })
  },
)

t.test('When the environment says where, then agent and programs agree on it', async t => {
  t.equal(agentSocket({ XDG_RUNTIME_DIR: '/run/user/1000' }, 'linux'), '/run/user/1000/claviger/agent.sock')
  t.equal(agentSocket({ CLAVIGER_HOME: '/h', XDG_RUNTIME_DIR: '/run/user/1000' }, 'linux'), '/h/agent.sock')
  t.equal(agentSocket({ XDG_CONFIG_HOME: '/c' }, 'darwin'), '/c/claviger/agent.sock')
  t.match(agentSocket({}, 'win32'), /^\\\\\.\\pipe\\claviger-agent-./)
})

t.test(
  'When the wall clock and the waking time part, then it is told once, and not for a moment',
  async t => {
    let [wall, awake] = [1_000_000, 0]
    let tick = () => {}
    const jumps: number[] = []
    const watch = watchClock(ms => jumps.push(ms), {
      wall: () => wall,
      awake: () => awake,
      setInterval: callback => {
        tick = callback
        return 7
      },
      clearInterval: timer => t.equal(timer, 7),
    })
    const pass = (ms: number, asleep = 0) => {
      awake += ms
      wall += ms + asleep
      tick()
    }
    for (let i = 0; i < 50; i++) pass(2000, i % 3)
    pass(2000, 3_600_000)
    pass(2000)
    pass(60_000)
    pass(2000, -7000)
    watch.stop()
    t.strictSame(jumps, [3_600_000, 7000])
  },
)
