/** The link over a real pair of terminals, the device in a process of its own, and TLS and HTTP over a session. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { openSerialLine as openDeviceLine } from '../../appliance/gate/serial-line.ts'
import type { PairTool, SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { selfSigned, toPem } from '../../protocol/identity/certificate.ts'
import { Link } from '../../protocol/link/link.ts'
import { echoes, kill, layCable, startDevice, startHost } from './ends.ts'
import { openFloorLine } from './floor-line.ts'

const PROBES = ['AT\r\n', 'AT+GCAP\r\n', 'ATI\r', '~~\0~~', '\0\0\x01\x02']

for (const tool of ['socat', 'python3', 'stream'] as const satisfies PairTool[]) {
  t.test(`over ${tool}`, async t => {
    const pair = await layCable(t, tool)
    if (pair === null) return
    t.equal(pair.tool, tool)
    await carries(t, pair)
    await survivesKill(t, pair)
    if (tool !== 'stream') await survivesNoise(t, pair)
    await carriesTls(t, pair)
  })
}

async function carries(t: Test, pair: SerialPair): Promise<void> {
  await t.test(
    'When 8 MiB go through one session and 16 sessions run at once, then every byte is there',
    async t => {
      await startDevice(t, pair.device)
      const link = startHost(t, pair.host)
      const [hello] = await once(link, 'hello')
      t.match(hello, { deviceId: 'echo', state: 'locked' })
      t.ok(await echoes(link, 8 * 1024 * 1024))
      const all = await Promise.all(Array.from({ length: 16 }, (_, i) => echoes(link, i * 20_011)))
      t.ok(all.every(Boolean))
      t.match(link.counters, { noiseBytes: 0, gaps: 0, resetsIn: 0, resetsOut: 0 })
      t.equal(link.sessions, 0)
    },
  )
}

t.test(
  'When serialport itself moves the bytes, as on macOS and Windows, then every byte is there',
  async t => {
    const pair = await layCable(t, 'socat')
    if (pair === null) return
    await startDevice(t, pair.device)
    const link = new Link({ side: 'host', helloEvery: 100 })
    const line = openFloorLine(pair.host, { onPort: port => link.attach(port), pause: 20 })
    t.teardown(() => line.stop())
    await once(link, 'hello')
    t.ok(await echoes(link, 2 * 1024 * 1024))
    t.match(link.counters, { noiseBytes: 0, gaps: 0, resetsIn: 0, resetsOut: 0 })
  },
)

async function survivesKill(t: Test, pair: SerialPair): Promise<void> {
  await t.test(
    'When the device is killed under load and starts again, then the next session works',
    async t => {
      const first = await startDevice(t, pair.device)
      const link = startHost(t, pair.host)
      await once(link, 'hello')
      const victim = link.open()
      victim.write(randomBytes(4 * 1024 * 1024))
      await once(victim, 'data')
      const failed = once(victim.resume(), 'error')
      await kill(first)
      const hello = once(link, 'hello')
      await startDevice(t, pair.device)
      await hello
      t.match((await failed)[0], { code: 'link-failed' })
      t.ok(await echoes(link, 500_000))
      t.equal(link.sessions, 0)
    },
  )

  await t.test(
    'When the host goes away under load and another one comes, then its first session works',
    async t => {
      await startDevice(t, pair.device)
      const dead = new Link({ side: 'host' })
      const line = openSerialLine(pair.host, { onPort: port => dead.attach(port), pause: 20 })
      await once(dead, 'hello')
      for (let i = 0; i < 4; i++) dead.open().write(randomBytes(500_000))
      await once(dead.open().end('x'), 'data')
      dead.detach()
      await line.stop()
      const link = startHost(t, pair.host)
      await once(link, 'hello')
      t.ok(await echoes(link, 500_000))
      t.ok(await line.closed.then(() => true))
    },
  )
}

async function survivesNoise(t: Test, pair: SerialPair): Promise<void> {
  await t.test('When something else writes to the line, then it is counted and no byte is wrong', async t => {
    for (const probe of PROBES) {
      await writeFile(pair.host, probe, { flag: 'a' })
      await writeFile(pair.device, probe, { flag: 'a' })
    }
    await startDevice(t, pair.device)
    const link = startHost(t, pair.host)
    await once(link, 'hello')
    t.ok(await echoes(link, 200_000), 'after noise')
    for (const probe of PROBES) await writeFile(pair.device, probe, { flag: 'a' })
    t.ok(await echoes(link, 200_000), 'after more of it')

    const sessions = Array.from({ length: 8 }, () => link.open())
    const running = Promise.all(
      sessions.map(session => echoes(link, 400_000, session).catch((error: { code?: string }) => error.code)),
    )
    for (const probe of [...PROBES, ...PROBES]) {
      await writeFile(pair.host, probe, { flag: 'a' })
      await writeFile(pair.device, probe, { flag: 'a' })
    }
    const outcomes = await untilStill(running, link, sessions)
    t.ok(
      outcomes.every(outcome => outcome === true || outcome === 'link-failed' || outcome === GIVEN_UP),
      `under load, each session is exact or fails: ${outcomes}`,
    )
    t.ok(link.counters.noiseBytes > 0)
    t.ok(await echoes(link, 200_000), 'and the next one is exact')
  })
}

/** What the reader of a destroyed stream gets. */
const GIVEN_UP = 'ERR_STREAM_PREMATURE_CLOSE'

/** Waits for the sessions; one whose last frame was hit can only be given up by its user, as a timeout would do. */
async function untilStill(running: Promise<unknown[]>, link: Link, sessions: Duplex[]): Promise<unknown[]> {
  let bytes = -1
  for (;;) {
    const done = await Promise.race([running, new Promise<null>(resolve => setTimeout(resolve, 1_000, null))])
    if (done !== null) return done
    if (link.counters.bytesIn === bytes) for (const session of sessions) session.destroy()
    bytes = link.counters.bytesIn
  }
}

function party(name: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = toPem(selfSigned({ namespace: 'default', role: 'operator', name }, privateKey))
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

async function carriesTls(t: Test, pair: SerialPair): Promise<void> {
  await t.test('When TLS and HTTP run over a session, then bodies of 1 MiB arrive both ways', async t => {
    const [device, agent, stranger] = [party('device'), party('agent'), party('stranger')]
    const server = createServer(
      { ...device, requestCert: true, rejectUnauthorized: true, ca: agent.cert },
      (req, res) => {
        void buffer(req).then(body => res.end(body))
      },
    )
    // without a reader of its own the TLS socket stops at 64 KiB
    server.on('secureConnection', socket => socket.on('data', () => {}))
    server.on('tlsClientError', () => {})
    const link = new Link({ side: 'device' })
    link.on('session', session => server.emit('connection', session))
    const line = openDeviceLine(pair.device, { onPort: port => link.attach(port), pause: 20 })
    t.teardown(() => line.stop())
    const host = startHost(t, pair.host)
    await once(host, 'hello')

    const post = async (who: { cert: string; key: string | Buffer }, body: Buffer) => {
      const session: Duplex = host.open()
      const socket = connect({
        socket: session,
        ...who,
        ca: device.cert,
        checkServerIdentity: () => undefined,
      })
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      socket.on('error', reject)
      const req = request(
        { method: 'POST', createConnection: () => socket, headers: { connection: 'close' } },
        res => {
          buffer(res).then(resolve, reject)
        },
      )
      req.on('error', reject)
      req.end(body)
      return promise
    }
    const body = randomBytes(1024 * 1024)
    for (let round = 0; round < 3; round++) t.ok((await post(agent, body)).equals(body))
    await t.rejects(post(stranger, body), 'a stranger gets no answer')
    t.ok((await post(agent, body)).equals(body), 'and the port is there for the next')
    t.ok(host.attached && link.attached)
    t.match(host.counters, { noiseBytes: 0, gaps: 0, attached: 1 })
  })
}
