/**
 * Tang beside `POST /v1/derive`: a point of P-256 that the caller has blinded goes over HTTP, times the server's private key, and back.
 * Blinding and its reversal are the caller's own and not measured. https://github.com/latchset/tang, "Recovery".
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { p256 } from '@noble/curves/nist.js'
import { connectProfile } from '../../host-agent/client/connect.ts'
import { fromBase64url, toBase64url } from '../../protocol/bytes.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory, WIDE } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { besidePeer, CALLERS, calling, needPrograms, type Subject } from './peers-measure.ts'

const TANGD = '/usr/libexec/tangd'
const { Point } = p256
type Point = InstanceType<typeof Point>
type Jwk = { kty: 'EC'; crv: 'P-256'; x: string; y: string }

/** What a caller of Tang has: a key that was made with the server's public half, and how to ask for it without showing it. */
class Recovery {
  readonly #key: Point
  readonly #blind: Point
  /** Sent. */
  readonly blinded: Point

  constructor(server: Point) {
    const [secret, mask] = [scalar(), scalar()]
    this.#key = server.multiply(secret)
    this.#blind = server.multiply(mask)
    this.blinded = Point.BASE.multiply(secret).add(Point.BASE.multiply(mask))
  }

  /** @throws where the server multiplied with something else */
  check(answer: Point): void {
    if (!answer.subtract(this.#blind).equals(this.#key)) throw new Error('this is another key')
  }

  /** As {@link check}, of an answer that is an x coordinate: either of the two points that have it. */
  checkX(x: Uint8Array): void {
    if (!Buffer.from(this.#key.add(this.#blind).toBytes(true).subarray(1)).equals(x))
      throw new Error('this is another secret')
  }
}

function scalar(): bigint {
  return BigInt(`0x${Buffer.from(p256.utils.randomSecretKey()).toString('hex')}`)
}

const toJwk = (point: Point): Jwk => {
  const bytes = point.toBytes(false)
  return {
    kty: 'EC',
    crv: 'P-256',
    x: toBase64url(bytes.subarray(1, 33)),
    y: toBase64url(bytes.subarray(33)),
  }
}

const fromJwk = ({ x, y }: Jwk): Point =>
  Point.fromBytes(Uint8Array.of(4, ...fromBase64url(x)!, ...fromBase64url(y)!))

function jose(args: string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('jose', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`jose: ${stderr}`)
  return stdout
}

/** Keys as `tangd-keygen` makes them, but for the curve: its own are of P-521. */
async function makeKeys(directory: string): Promise<{ server: Point; thumbprint: string }> {
  await mkdir(directory)
  jose(['jwk', 'gen', '-i', '{"alg":"ES512"}', '-o', join(directory, 'sig.jwk')])
  const path = join(directory, 'exc.jwk')
  jose(['jwk', 'gen', '-i', '{"alg":"ECMR","kty":"EC","crv":"P-256"}', '-o', path])
  const server = fromJwk(JSON.parse(await readFile(path, 'utf8')) as Jwk)
  return { server, thumbprint: jose(['jwk', 'thp', '-i', path, '-a', 'S256']).trim() }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** What starts a tangd for each connection to a port: as systemd does, or without Nagle's algorithm, which stalls a kept connection. */
const LISTENERS = {
  systemd: (port: number, keys: string): [string, string[]] => [
    'systemd-socket-activate',
    ['--accept', '--inetd', '--listen', `127.0.0.1:${port}`, TANGD, keys],
  ],
  socat: (port: number, keys: string): [string, string[]] => [
    'socat',
    [`TCP-LISTEN:${port},bind=127.0.0.1,fork,nodelay`, `EXEC:${TANGD} ${keys}`],
  ],
}

async function listen(listener: keyof typeof LISTENERS, keys: string) {
  const port = await freePort()
  const [command, args] = LISTENERS[listener](port, keys)
  const child: ChildProcess = spawn(command, args, { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await new Promise(resolve => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return { port, stop }
    await sleep(50)
  }
  await stop()
  throw new Error(`${command} does not listen`)
}

/** Asks as Tang's clients do. @param isKept - the connection, from one request to the next */
function recovering(name: string, port: number, path: string, recovery: Recovery, isKept: boolean) {
  const agent = new Agent({ keepAlive: isKept, maxSockets: CALLERS })
  const body = JSON.stringify({ ...toJwk(recovery.blinded), alg: 'ECMR', key_ops: ['deriveKey'] })
  const headers = { 'content-type': 'application/jwk+json', 'content-length': Buffer.byteLength(body) }
  const ask = () =>
    new Promise<Jwk>((resolve, reject) => {
      const options = { agent, port, host: '127.0.0.1', method: 'POST', path, headers }
      const sending = request(options, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          if (response.statusCode === 200) resolve(JSON.parse(text) as Jwk)
          else reject(new Error(`tangd answered ${response.statusCode}`))
        })
      })
      sending.on('error', reject)
      sending.end(body)
    })
  return {
    subject: calling(name, async () => void (await ask())),
    check: async () => recovery.check(fromJwk(await ask())),
    close: () => agent.destroy(),
  }
}

/** Three processes on LAN with a key that may be multiplied with. */
async function withAppliance<T>(directory: string, use: (subjects: Subject[]) => Promise<T>): Promise<T> {
  const card = await flashCard(directory, '')
  const processes = await startProcesses(directory)
  const { appliance } = processes
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    const { versions } = await admin.createKey('raw', 'p', 'derive')
    const profile = await appliance.enrol('desk', 'operator', [], PIN)
    await admin.addGrant({ ...WIDE, agent: 'desk', key: 'raw', reveal: ['derive'] })
    const recovery = new Recovery(Point.fromBytes(parsePublicKey(versions[0]!.publicKey).bytes))
    const body = {
      purpose: 'charge',
      key: 'raw',
      public: toBase64url(recovery.blinded.toBytes(false)),
      context: { field: 'disk.secret', record: 'machines/42' },
    }
    const desk = await appliance.connect(profile)
    recovery.checkX(fromBase64url((await desk.derive(body)).secret)!)
    return await use([
      calling('claviger, a connection for each', async () => {
        const once = await connectProfile(profile)
        await once.derive(body)
        await once.close()
      }),
      {
        ...calling('claviger, connections kept', async () => void (await desk.derive(body))),
        isCompiled: true,
      },
    ])
  } finally {
    await appliance.close()
    await processes.stop()
  }
}

async function tang(): Promise<Figure> {
  needPrograms({
    [TANGD]: 'tang',
    jose: 'jose',
    'systemd-socket-activate': 'systemd',
    socat: 'socat',
  })
  const directory = await temporaryDirectory()
  const ends: (() => unknown)[] = [() => directory.remove()]
  try {
    const keys = join(directory.path, 'tang')
    const { server, thumbprint } = await makeKeys(keys)
    const started: ReturnType<typeof recovering>[] = []
    for (const [listener, name] of [
      ['socat', 'tangd, connections kept'],
      ['systemd', 'tangd, a connection for each'],
    ] as const) {
      const { port, stop } = await listen(listener, keys)
      ends.push(stop)
      const client = recovering(name, port, `/rec/${thumbprint}`, new Recovery(server), listener === 'socat')
      ends.push(client.close)
      await client.check()
      started.push(client)
    }
    const theirs = started.map(({ subject }) => subject)
    return await withAppliance(directory.path, own => besidePeer('peer-tang', [...theirs, ...own]))
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [{ name: 'peer-tang', run: tang }]
