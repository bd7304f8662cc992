/** The keeper's end of the RPC: a UNIX socket that only gates connect to. */
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { Cbor } from '../../../protocol/cbor.ts'
import { frame, RpcError, readMessages, SOCKET_MODE } from '../../ipc/frame.ts'
import {
  type Caller,
  type EventName,
  type EventParams,
  type Method,
  PARAMS,
  type Params,
  Request,
  type Results,
} from './messages.ts'

/** What answers: one function per method. */
export type Handler = <M extends Method>(
  method: M,
  caller: Caller,
  params: Params<M>,
) => Promise<Results[M]> | Results[M]

/** The events that a new connection is sent first. */
export type Greeting = () => { [E in EventName]: [E, EventParams<E>] }[EventName][]

/** Most requests of one connection that are not answered yet, or whose answers were not read; further ones wait. */
const MAX_PENDING = 64

/** Methods whose results have secret bytes that belong to nobody else: plaintexts, an invitation's secret. */
const SECRET_RESULTS: ReadonlySet<string> = new Set<Method>(['decrypt', 'invite'])

/**
 * Serves requests on any stream socket. A request that is malformed ends its connection. The byte strings in the
 * parameters of a request are zeroed once it is answered: a handler keeps copies.
 */
export class RpcServer {
  readonly #handler: Handler
  readonly #greeting: Greeting
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(handler: Handler, greeting: Greeting) {
    this.#handler = handler
    this.#greeting = greeting
  }

  /** Listens on a socket path; a socket that a dead process left there is replaced. */
  async listen(path: string): Promise<void> {
    await rm(path, { force: true })
    const server = createServer(socket => this.serve(socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    await chmod(path, SOCKET_MODE)
  }

  /** Serves one connected socket. */
  serve(socket: Socket): void {
    let pending = 0
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    for (const [name, params] of this.#greeting()) socket.write(frame([0, name, params as unknown as Cbor]))
    readMessages(socket, message => {
      if (!Request(message) || message[0] === 0)
        throw new RpcError('rpc-malformed', 'a request has the wrong shape')
      if (++pending === MAX_PENDING) socket.pause()
      // An answer counts until the gate has taken it: one that never reads must not fill the memory.
      void this.#answer(message).then(answer => {
        const taken = () => {
          answer.fill(0)
          if (pending-- === MAX_PENDING) socket.resume()
        }
        if (socket.destroyed) taken()
        else socket.write(answer, taken)
      })
    })
  }

  async #answer([id, method, caller, params]: [number, string, Caller, unknown]): Promise<Buffer> {
    try {
      if (!Object.hasOwn(PARAMS, method) || !PARAMS[method as Method](params))
        throw new RpcError('rpc-malformed', 'the parameters of a request have the wrong shape')
      const result = await this.#handler(method as Method, caller, params as Params<Method>)
      try {
        return frame([id, result as unknown as Cbor])
      } finally {
        if (SECRET_RESULTS.has(method)) zeroBytes(result)
      }
    } catch (error) {
      if (error instanceof ClavigerError)
        return frame([id, null, error.code, error.message, error.hint ?? '', error.free ?? 0])
      process.stderr.write(`claviger-keeper: ${method} failed: ${(error as Error).stack}\n`)
      return frame([id, null, 'internal', 'the device failed', '', 0])
    } finally {
      zeroBytes(params)
    }
  }

  /** Tells every connected gate. */
  emit<E extends EventName>(event: E, params: EventParams<E>): void {
    const bytes = frame([0, event, params as unknown as Cbor])
    for (const socket of this.#sockets) socket.write(bytes)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    if (server?.listening) await new Promise(resolve => server.close(resolve))
  }
}

/** Zeroes every byte string in a message. Its depth is bounded by the decoder. */
function zeroBytes(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0)
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) zeroBytes(item)
}
