/** A machine on the LAN that means harm: one attack a line, and what came of it a line, when its time is over. */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as secure, type TLSSocket } from 'node:tls'
import type { Profile } from '../../host-agent/client/profile.ts'
import { PORT } from './namespaces.ts'

export interface Attack {
  kind: keyof typeof KINDS
  host: string
  /** The machine's addresses for it, taken in turns. */
  from: string[]
  /** Connections open at the same time. */
  at: number
  /** New ones per second, at most. */
  rate: number
  /** Ms. */
  lasts: number
  /** For attacks behind TLS: an enrolment that a thief has. */
  profile: Profile
}

export interface Attacked {
  /** Connections that were begun. */
  begun: number
  /** Of these, ended by the other end. */
  ended: number
  /** Bytes that came back, TLS and all. */
  received: number
}

type Begin = (socket: Socket, attack: Attack) => void

/** The first bytes of a handshake, as this Node says them. */
const HELLO = await new Promise<Buffer>(resolve => {
  const end = new Duplex({ read() {}, write: chunk => resolve(chunk) })
  secure({ socket: end }).on('error', () => {})
})

/** TLS as an enrolled agent, and then something. */
const behindTls =
  (then: (tls: TLSSocket, socket: Socket) => void): Begin =>
  (socket, { profile: { key, certificate: cert } }) => {
    const tls = secure({ socket, key, cert, rejectUnauthorized: false }, () => then(tls, socket))
    tls.on('error', () => {}).resume()
  }

/** A body or a head that comes drop by drop. */
function drip(socket: Duplex, bytes: Iterable<string | number>): void {
  const drops = bytes[Symbol.iterator]()
  const timer = setInterval(() => {
    const { value, done } = drops.next()
    if (done || socket.destroyed) clearInterval(timer)
    else socket.write(typeof value === 'number' ? Buffer.of(value) : value)
  }, 500)
}

const KINDS = {
  /** Connects, and leaves. */
  knocking: socket => void socket.end(),
  /** Says the first bytes of a handshake, one by one. */
  loris: socket => drip(socket, HELLO),
  /** Begins a handshake, and does not go on. */
  halfOpen: socket => void socket.write(HELLO),
  /** Says what is no handshake. */
  noise: socket => void socket.write('GET / HTTP/1.1\r\n\r\n'),
  /** A handshake without a certificate. */
  nobody: socket =>
    void secure({ socket, rejectUnauthorized: false })
      .on('error', () => {})
      .resume(),
  /** A head that is far too large. */
  largeHead: behindTls(tls => tls.write(`GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(262_144)}`)),
  /** A head that never ends. */
  slowHead: behindTls(tls =>
    drip(tls, 'GET /v1/status HTTP/1.1\r\nhost: x\r\nx: xxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
  ),
  /** A second handshake inside the first one's connection. */
  again: behindTls((_tls, socket) => socket.write(HELLO)),
} satisfies Record<string, Begin>

function run(attack: Attack): Promise<Attacked> {
  const { kind, host, from, at, rate, lasts } = attack
  const result: Attacked = { begun: 0, ended: 0, received: 0 }
  const open = new Set<Socket>()
  const begin = () => {
    result.begun++
    const socket = connect({ host, port: PORT, localAddress: from[result.begun % from.length]! })
    open.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      open.delete(socket)
      result.received += socket.bytesRead
      result.ended++
    })
    socket.once('connect', () => KINDS[kind](socket, attack))
  }
  return new Promise(resolve => {
    const started = performance.now()
    const timer = setInterval(async () => {
      const now = performance.now() - started
      while (open.size < at && result.begun < (now * rate) / 1000) begin()
      if (now < lasts) return
      clearInterval(timer)
      for (const socket of open) socket.destroy()
      await pause(50)
      resolve(result)
    }, 5)
  })
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`)
