/** The HTTP server of the page on 127.0.0.1: who is at the other end, whom it answers, and with what. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { ConnectionError } from '../../client/errors.ts'
import { createServer as createHttpServer } from '../../client/http.ts'
import { isShopOrigin } from '../../client/page-settings.ts'
import type { Browser, PageCalls } from './api.ts'
import { readJson } from './body.ts'
import { CALLS } from './calls.ts'
import { frameDocument, refusedFrame } from './documents.ts'
import { contentHeaders, documentHeaders, type Headers, REFUSAL_HEADERS } from './headers.ts'
import type { Parts } from './page.ts'
import { isOwnPeer } from './peer.ts'
import { PageRefusal, problemOf } from './problem.ts'
import { bearerOf, callFault, HOST, hostFault, isFramed, isOwnResource, originOf } from './rules.ts'

/** Of heads and of time, ms. */
export const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  // with the body
  requestTimeout: 15_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
}
const MOST_CONNECTIONS = 64
/** Bytes that a stream may have waiting for a reader that does not read. */
const MOST_WAITING = 4_194_304

const JSON_TYPE = 'application/json; charset=utf-8'
const LINES_TYPE = 'application/x-ndjson; charset=utf-8'

/** Any call of the table. */
type AnyCall = {
  method: string
  path: string
  who: readonly string[]
  most: number
  read(value: unknown): unknown
  answer?(body: unknown, parts: Parts, browser: Browser | null): Promise<unknown>
  lines?(body: unknown, parts: Parts, write: (line: unknown) => unknown, signal: AbortSignal): Promise<void>
}
const BY_PATH = new Map(
  (Object.values(CALLS) as unknown as AnyCall[]).map(call => [call.path, call]),
) as ReadonlyMap<PageCalls[keyof PageCalls]['path'] | string, AnyCall>

/**
 * Listens.
 *
 * @param port - 0 for any that is free
 * @param limits - instead of {@link LIMITS}
 * @throws ConnectionError `unreachable` where another program has it
 */
export async function listen(
  port: number,
  parts: Parts,
  limits: Partial<typeof LIMITS> = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const http = createHttpServer({ ...LIMITS, ...limits })
  const sockets = new Set<Socket>()
  // Nothing is read of a connection before it is known whose it is, so the parser never sees what another user sends.
  const server = createServer({ pauseOnConnect: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket)).on('error', () => {})
    void isOwnPeer(socket).then(isOwn => {
      if (!isOwn || socket.destroyed) return socket.destroy()
      http.emit('connection', socket)
      return socket.resume()
    })
  })
  server.maxConnections = MOST_CONNECTIONS
  await bind(server, port)
  const taken = (server.address() as AddressInfo).port
  http.on('request', (request, response) => {
    respond(request, response, taken, parts).catch(error => fail(response, error, parts))
  })
  // starts the timers for slow requests: this server listens through the other one
  http.emit('listening')
  return {
    port: taken,
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      http.close()
      await closed
    },
  }
}

function bind(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isBusy = cause.code === 'EADDRINUSE'
      reject(
        new ConnectionError(
          'unreachable',
          `the page cannot be served on ${HOST}:${port}: ${isBusy ? 'another program has the port, which may be the agent of another user' : cause.code}`,
          {
            cause,
            hint: 'end that program, or choose another port in settings.json: "page": { "port": 7120 }',
          },
        ),
      )
    })
    server.listen({ host: HOST, port, exclusive: true }, () => resolve())
  })
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  port: number,
  parts: Parts,
): Promise<void> {
  const { method = '', url = '', headers } = request
  const misled = hostFault(request, port)
  if (misled === 'redirect') return send(response, 307, { location: `${originOf(port)}/` }, '')
  if (misled) return send(response, 421, { connection: 'close' }, '')
  const [path = '', query = ''] = url.split(/\?(.*)/s)
  if (path.startsWith('/api/')) return call(request, response, path, port, parts)
  if (method !== 'GET') return send(response, 405, { allow: 'GET' }, '')
  if (path === '/') return sendDocument(response, await parts.files.document('index.html'))
  if (path === '/field') return sendFrame(request, response, query, parts)
  const file = isOwnResource(headers) ? await parts.files.read(path) : null
  if (!file)
    return send(response, 404, contentHeaders('text/plain; charset=utf-8'), 'there is nothing here\n')
  send(response, 200, contentHeaders(file.type), file.body)
}

function sendDocument(response: ServerResponse, text: string | null): void {
  if (text === null)
    send(response, 404, contentHeaders('text/plain; charset=utf-8'), 'this agent came without its page\n')
  else send(response, 200, documentHeaders(null), text)
}

async function sendFrame(
  request: IncomingMessage,
  response: ServerResponse,
  query: string,
  parts: Parts,
): Promise<void> {
  const from = new URLSearchParams(query).get('from')
  const isListed = isShopOrigin(from) && (await parts.shops()).includes(from)
  if (!isListed || !isFramed(request.headers))
    return send(response, 403, REFUSAL_HEADERS, refusedFrame(from, isListed))
  const text = await parts.files.document('field.html')
  if (text === null) return sendDocument(response, null)
  send(response, 200, documentHeaders(from), frameDocument(text, parts.frames.nonceFor(from)))
}

async function call(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  port: number,
  parts: Parts,
): Promise<void> {
  const { method = '', headers } = request
  const fault = callFault(method, headers, port)
  if (fault) throw new PageRefusal(fault)
  const call = BY_PATH.get(path)
  if (!call) throw new PageRefusal('unknown-route')
  if (call.method !== method) throw new PageRefusal('wrong-method')
  const browser = call.who.includes('open') ? null : await admit(call, bearerOf(headers), parts)
  const body = call.read(method === 'POST' ? await readJson(request, call.most) : null)
  if (call.answer) {
    const answer = await call.answer(body, parts, browser)
    return send(response, 200, contentHeaders(JSON_TYPE), JSON.stringify(answer))
  }
  const gone = new AbortController()
  const unwatch = parts.browsers.whenForgotten(browser!.id, () => response.destroy())
  response.once('close', () => {
    unwatch()
    gone.abort()
  })
  await call.lines!(
    body,
    parts,
    line => {
      if (!response.headersSent) response.writeHead(200, contentHeaders(LINES_TYPE))
      response.write(line === null ? '\n' : `${JSON.stringify(line)}\n`)
      return response.writableLength > MOST_WAITING ? response.destroy() : response
    },
    gone.signal,
  )
  response.end()
}

/** @throws PageRefusal `unpaired`, `not-for-frames` */
async function admit({ who }: AnyCall, token: string | null, { browsers, shops }: Parts): Promise<Browser> {
  const browser = token === null ? null : browsers.find(token)
  // a shop that was taken off the list takes its frames with it
  const isListed = browser?.from === null || (browser && (await shops()).includes(browser.from))
  if (!browser || !isListed) throw new PageRefusal('unpaired', { hint: 'let it in with: claviger page' })
  if (!who.includes(browser.kind)) throw new PageRefusal('not-for-frames')
  return browser
}

function fail(response: ServerResponse, error: unknown, { tell }: Parts): void {
  const { status, problem } = problemOf(error)
  if (status === 500) tell(`the page failed: ${(error as Error).stack ?? error}`)
  if (response.destroyed) return
  if (response.headersSent) {
    response.end(`${JSON.stringify({ is: 'problem', problem })}\n`)
    return
  }
  // the rest of a body that is too long is not read
  const closing = status === 413 ? { connection: 'close' } : {}
  send(response, status, { ...contentHeaders(JSON_TYPE), ...closing }, JSON.stringify(problem))
}

function send(response: ServerResponse, status: number, headers: Headers, body: string | Buffer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
