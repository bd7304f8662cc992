/**
 * What one decrypt costs over a serial line, against echoes of the same size on a pair of terminals of the same kind: bare
 * HTTPS with client certificates over a link, and raw bytes. The link of the floor is on serialport's own stream;
 * `link-latency-port` compares with HTTPS over a link on our port, which is faster.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type Agent, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { WireAgent } from '../../host-agent/client/tls.ts'
import type { Wire } from '../../host-agent/client/wire.ts'
import { selfSigned, toPem } from '../../protocol/identity/certificate.ts'
import type { SerialLine } from '../../protocol/link/line.ts'
import { Link } from '../../protocol/link/link.ts'
import { openFloorLine } from '../link/floor-line.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { FIELD, PURPOSE, seal } from './local-keeper.ts'
import { inTurns, MEMORY } from './measure.ts'

const BAR = 2.5
const ROUNDS = 1000
const WARM_UP = 2000

type Exchange = (text: string) => Promise<void>

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'link-latency', run: () => latency('link-latency', httpsEcho(true), BAR) },
  { name: 'link-latency-port', run: () => latency('link-latency-port', httpsEcho(false), null) },
  { name: 'link-latency-raw', run: () => latency('link-latency-raw', withRawEcho, null) },
]

type WithEcho = <T>(dir: string, answer: string, use: (echo: Exchange) => Promise<T>) => Promise<T>

async function latency(name: string, withEcho: WithEcho, bar: number | null): Promise<Figure> {
  const directory = await temporaryDirectory(MEMORY)
  const card = await flashCard(directory.path, '')
  const pair = await openSerialPair({ dir: directory.path })
  const processes = await startProcesses(directory.path, {
    serial: pair.device,
    host: `serial:${pair.host}`,
  })
  const { appliance } = processes
  const other = await temporaryDirectory()
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    const { versions } = await admin.createKey('orders')
    const till = await appliance.connect(await appliance.enrol('till-1', 'operator', ['orders'], PIN))
    const context = { field: FIELD, record: 'cust_cards/42' }
    const ciphertext = seal(versions[0]!.publicKey, context.record)
    const body = { purpose: PURPOSE, items: [{ ciphertext, context }] }
    const answer = JSON.stringify(await till.decrypt(body))
    return await withEcho(other.path, answer, async echo => {
      const text = JSON.stringify(body)
      const { floor, subject } = await inTurns(
        ROUNDS,
        WARM_UP,
        () => echo(text),
        () => till.decrypt(body),
      )
      return { name, value: subject / floor, unit: 'x', floor, bar, better: 'lower' }
    })
  } finally {
    await appliance.close()
    await processes.stop()
    await pair.close()
    await Promise.all([directory.remove(), other.remove()])
  }
}

/** Bytes there and back, as many as the request has. */
async function withRawEcho<T>(dir: string, _answer: string, use: (echo: Exchange) => Promise<T>): Promise<T> {
  const pair = await openSerialPair({ dir })
  const child = fork(fileURLToPath(new URL('../link/echo-end.ts', import.meta.url)), ['floor', pair.device])
  await once(child, 'message')
  const { promise, resolve } = Promise.withResolvers<Duplex>()
  const line = openFloorLine(pair.host, { onPort: resolve })
  const port = await promise
  try {
    return await use(text => back(port, Buffer.from(text)))
  } finally {
    await line.stop()
    await ended(child)
    await pair.close()
  }
}

function back(port: Duplex, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    let missing = bytes.length
    const take = (chunk: Buffer) => {
      missing -= chunk.length
      if (missing > 0) return
      port.off('data', take)
      resolve()
    }
    port.on('data', take)
    port.write(bytes)
  })
}

/** The link and TLS as for a decrypt, and behind them a server that knows the answer. */
function httpsEcho(floor: boolean): WithEcho {
  return async (dir, answer, use) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const certificate = toPem(selfSigned({ namespace: 'bench', role: 'device', name: 'echo' }, privateKey))
    const pair = await openSerialPair({ dir })
    const child = fork(fileURLToPath(new URL('./echo-server.ts', import.meta.url)))
    child.send({ key, cert: certificate, ca: certificate, answer, serial: pair.device, floor })
    await once(child, 'message')
    const { link, line } = await hostLink(pair.host, floor)
    const wire: Wire = {
      address: `serial:${pair.host}`,
      open: async () => link.open(),
      greeting: async () => null,
      close: () => line.stop(),
    }
    const agent: Agent = new WireAgent(wire, { key, certificate }, () => {})
    const headers = { 'content-type': 'application/json' }
    const exchange: Exchange = text =>
      new Promise((resolve, reject) => {
        const length = { 'content-length': Buffer.byteLength(text) }
        const sending = request({ agent, method: 'POST', path: '/', headers: { ...headers, ...length } })
        sending.once('error', reject)
        sending.once('response', response => {
          const chunks: Buffer[] = []
          response.on('data', chunk => chunks.push(chunk))
          response.on('end', () => {
            JSON.parse(Buffer.concat(chunks).toString())
            resolve()
          })
        })
        sending.end(text)
      })
    try {
      return await use(exchange)
    } finally {
      agent.destroy()
      await wire.close()
      await ended(child)
      await pair.close()
    }
  }
}

async function hostLink(path: string, floor: boolean): Promise<{ link: Link; line: SerialLine }> {
  const link = new Link({ side: 'host' })
  const line = (floor ? openFloorLine : openSerialLine)(path, { onPort: port => link.attach(port) })
  await once(link, 'hello')
  return { link, line }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
