/** HTTP over TLS over any stream, by hand: for callers that the client library would not let be. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Credentials } from '../../host-agent/client/identity.ts'

/** One request. */
export interface RawRequest {
  method?: string
  path?: string
  headers?: Record<string, string | number>
  body?: string | Buffer
}

/** One answer. */
export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** A problem document's code, or what was there instead. */
export function codeOf({ headers, text }: RawAnswer): string {
  if (!headers['content-type']?.startsWith('application/problem+json'))
    return `no problem document: ${headers['content-type']}: ${text.slice(0, 80)}`
  return String((JSON.parse(text) as { code?: unknown }).code)
}

/** TLS on a stream, with the device's certificate unchecked. Rejects when the handshake fails. */
export function secure(
  stream: Duplex,
  credentials: Credentials | null,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const identity = credentials ? { key: credentials.key, cert: credentials.certificate } : {}
    const socket = connect({ socket: stream, rejectUnauthorized: false, ...identity, ...options })
    const closed = () => reject(new Error('closed in the handshake'))
    socket.once('close', closed)
    socket.on('error', reject)
    socket.once('secureConnect', () => resolve(socket))
  })
}

/** An agent whose one connection there is already. */
class OneConnection extends Agent {
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    super({ keepAlive: true, maxSockets: 1 })
    this.#socket = socket
  }

  override createConnection(): Duplex {
    return this.#socket
  }
}

const agents = new WeakMap<Duplex, OneConnection>()

/** Sends one request on a connection and leaves that open. Rejects when it breaks before the whole answer. */
export function ask(
  socket: Duplex,
  { method = 'GET', path = '/v1/status', headers = {}, body }: RawRequest = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const agent = agents.get(socket) ?? new OneConnection(socket)
    agents.set(socket, agent)
    const typed = body === undefined ? {} : { 'content-type': 'application/json' }
    const sending = request({
      agent,
      method,
      path,
      headers: { host: 'claviger', ...typed, ...headers },
    })
    sending.once('error', reject)
    sending.once('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      })
    })
    sending.end(body)
  })
}

/** One request on a connection of its own. */
export async function askOnce(
  stream: Duplex,
  credentials: Credentials | null,
  what: RawRequest = {},
): Promise<RawAnswer> {
  const socket = await secure(stream, credentials)
  try {
    return await ask(socket, what)
  } finally {
    socket.destroy()
  }
}

/** What comes first on a stream that has no end: the head and one event, or a refusal. */
export async function beginning(
  stream: Duplex,
  credentials: Credentials | null,
  path: string,
): Promise<string> {
  const socket = await secure(stream, credentials)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: claviger\r\n\r\n`)
  let heard = ''
  for await (const chunk of socket) {
    heard += chunk
    if (/\n\n|}$/.test(heard)) break
  }
  socket.destroy()
  return heard
}

/** Sends bytes and collects all that comes until the connection ends. */
export function exchangeBytes(socket: Duplex, bytes: string | Buffer): Promise<string> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => {})
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.end(bytes)
  })
}
