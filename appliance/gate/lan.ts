/**
 * The LAN wire: one listener for each address that is LAN, all in front of the app's own `https.Server`. docs/lan.md.
 *
 * Node's own listener could not be told apart by interface, and would hand every connection to TLS first.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { LanAddress } from '../network/lan.ts'
import { Admissions, type LanCounters } from './lan-limits.ts'
import { originOf } from './lan-policy.ts'
import type { Refusals } from './refusals.ts'

/** What the wire stands on. */
export interface LanOptions {
  /** The addresses that are LAN now: asked again and again, because leases come and go. */
  addresses(): LanAddress[]
  /** 0 for any free one: all addresses get the same. */
  port: number
  refusals?: Refusals | undefined
  /** An address is answered on from now on. */
  onListening(url: string): void
  /** It is not any more: this machine does not have it now. */
  onGone(url: string): void
  /** Once a minute, if somebody was refused: how many since the start, and why. */
  onRefused(counters: LanCounters): void
  /** What goes wrong with an address, each time that it is another thing. */
  onFailure(address: string, error: Error): void
  /** Ms of a clock that does not go back. */
  now?: () => number
}

/** The wire while it is served. */
export interface LanListener {
  /** The port; 0 before the first address is listened on, when any free one was asked for. */
  port(): number
  counters(): LanCounters
  /** Looks at the addresses now. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** How often addresses are looked at, ms. */
const REFRESH_MS = 1000
/** Connections that the kernel keeps for us: what we take at once holds up the requests that are under way. */
const BACKLOG = 128
/** A machine that was switched off is noticed after this, and some probes: ms. */
const KEEP_ALIVE_MS = 30_000
/** How often it is said how many were refused, ms. */
const TELL_MS = 60_000

/** Serves the app on the LAN. Resolves when all addresses that are there were tried. */
export async function listenOnLan(app: FastifyInstance, options: LanOptions): Promise<LanListener> {
  const lan = new Lan(app, options)
  await lan.refresh()
  return lan
}

class Lan implements LanListener {
  readonly #app: FastifyInstance
  readonly #options: LanOptions
  readonly #admissions = new Admissions<string>()
  readonly #sockets = new Map<string, Socket>()
  /** By the text of their address. */
  readonly #listeners = new Map<string, Server>()
  readonly #failures = new Map<string, string>()
  readonly #counters: LanCounters = { accepted: 0, elsewhere: 0, waiting: 0, refused: 0, displaced: 0 }
  readonly #timers: NodeJS.Timeout[]
  #told = 0
  #addresses: readonly LanAddress[] = []
  #port: number
  #refreshing: Promise<void> = Promise.resolve()
  #closed = false

  constructor(app: FastifyInstance, options: LanOptions) {
    this.#app = app
    this.#options = options
    this.#port = options.port
    app.server.on('secureConnection', this.#onSecure)
    app.server.on('request', this.#onRequest)
    // Node starts the timers for slow requests when a server listens, which this one never does itself.
    if (!app.server.listening) app.server.emit('listening')
    this.#timers = [
      setInterval(() => void this.refresh(), REFRESH_MS),
      setInterval(() => this.#tell(), TELL_MS),
    ]
  }

  port(): number {
    return this.#port
  }

  counters(): LanCounters {
    return { ...this.#counters }
  }

  refresh(): Promise<void> {
    this.#refreshing = this.#refreshing.then(() => this.#refresh())
    return this.#refreshing
  }

  async #refresh(): Promise<void> {
    if (this.#closed) return
    this.#addresses = this.#options.addresses()
    const wanted = new Set(this.#addresses.map(({ text }) => text))
    for (const [text, listener] of this.#listeners)
      if (!wanted.has(text)) {
        listener.close()
        this.#listeners.delete(text)
        this.#options.onGone(urlOf(text, this.#port))
      }
    // A connection to an address that is gone is dead; one from a subnet that is no longer beside it is not from the LAN.
    for (const socket of this.#sockets.values())
      if (originOf(socket, this.#addresses) !== 'lan') socket.resetAndDestroy()
    for (const { text } of this.#addresses) if (!this.#listeners.has(text)) await this.#listen(text)
  }

  async #listen(text: string): Promise<void> {
    const server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      socket => this.#accept(socket),
    )
    const error = await new Promise<Error | null>(resolve => {
      server.once('error', resolve)
      server.listen({ host: text, port: this.#port, backlog: BACKLOG, ipv6Only: true }, () => resolve(null))
    })
    if (error) {
      if (this.#failures.get(text) !== error.message) this.#options.onFailure(text, error)
      this.#failures.set(text, error.message)
      return
    }
    server.on('error', error => this.#options.onFailure(text, error))
    this.#failures.delete(text)
    this.#listeners.set(text, server)
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#options.onListening(urlOf(text, this.#port))
  }

  /** Decides on a connection before a byte of it is read, and before one is sent. */
  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const id = idOf(socket)
    const refusal = this.#refusalOf(id, socket)
    if (refusal !== null) {
      this.#counters[refusal]++
      socket.resetAndDestroy()
      return
    }
    this.#counters.accepted++
    this.#sockets.set(id, socket)
    socket.once('close', () => {
      if (this.#sockets.get(id) !== socket) return
      this.#sockets.delete(id)
      this.#admissions.closed(id)
    })
    this.#app.server.emit('connection', socket)
  }

  #refusalOf(id: string, socket: Socket): 'elsewhere' | 'waiting' | 'refused' | null {
    const { remoteAddress = '' } = socket
    if (originOf(socket, this.#addresses) !== 'lan') return 'elsewhere'
    if (this.#options.refusals?.mayConnect(remoteAddress) === false) return 'waiting'
    const displaced = this.#admissions.admit(id, remoteAddress, this.#now())
    if (displaced === null) return 'refused'
    for (const other of displaced) {
      this.#counters.displaced++
      this.#sockets.get(other)?.resetAndDestroy()
      this.#sockets.delete(other)
    }
    return null
  }

  readonly #onSecure = (socket: Socket): void => {
    this.#admissions.secured(idOf(socket))
  }

  readonly #onRequest = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    response.once('finish', () => {
      if (response.statusCode < 400) this.#admissions.proven(idOf(socket), this.#now())
    })
  }

  #tell(): void {
    const { elsewhere, waiting, refused, displaced } = this.#counters
    const sum = elsewhere + waiting + refused + displaced
    if (sum > this.#told) this.#options.onRefused(this.counters())
    this.#told = sum
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#refreshing
    this.#app.server.off('secureConnection', this.#onSecure)
    this.#app.server.off('request', this.#onRequest)
    const closing = [...this.#listeners.values()].map(
      listener => new Promise<void>(resolve => listener.close(() => resolve())),
    )
    this.#listeners.clear()
    for (const socket of this.#sockets.values()) socket.destroy()
    await Promise.all(closing)
  }
}

function urlOf(address: string, port: number): string {
  return `https://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** The same for a TCP socket and for the TLS socket on it. */
function idOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
