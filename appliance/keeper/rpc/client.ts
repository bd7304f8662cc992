/** The gate's end of the RPC: calls that wait for the keeper, and a connection that mends itself. */
import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ClavigerError, isErrorCode } from '../../../protocol/api/errors.ts'
import type { Cbor } from '../../../protocol/cbor.ts'
import { frame, RpcError, readMessages } from '../../ipc/frame.ts'
import {
  type Caller,
  EVENTS,
  type EventName,
  type EventParams,
  type Method,
  type Params,
  type Results,
  readAnswer,
} from './messages.ts'

/** A refusal or failure that the keeper answered with. */
export class KeeperError extends ClavigerError {}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

type Events = { [E in EventName]: [EventParams<E>] } & { up: []; down: [] }

const RECONNECT_MS = 50

/**
 * Calls to the keeper. While it is away, calls fail at once with `keeper-unavailable`; the connection is tried again
 * every 50 ms until `close()`.
 */
export class KeeperClient extends EventEmitter<Events> {
  readonly #open: () => Socket
  readonly #waiting = new Map<number, Waiting>()
  #socket: Socket | undefined
  #retry: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false

  /** @param path - the keeper's socket, or a function that opens a connected stream */
  constructor(path: string | (() => Socket)) {
    super()
    this.#open = typeof path === 'string' ? () => connect(path) : path
  }

  /** Starts to connect; listen for the events first, because the first ones come with the connection. */
  connect(): void {
    const socket = this.#open()
    socket.once('connect', () => {
      this.#socket = socket
      this.emit('up')
    })
    socket.on('error', () => {})
    socket.once('close', () => this.#lost(socket))
    readMessages(socket, message => this.#receive(message))
  }

  #lost(socket: Socket): void {
    if (this.#socket === socket) {
      this.#socket = undefined
      for (const { reject } of this.#waiting.values()) reject(unavailable())
      this.#waiting.clear()
      this.emit('down')
    }
    if (!this.#closed) this.#retry = setTimeout(() => this.connect(), RECONNECT_MS)
  }

  #receive(message: unknown): void {
    const answer = readAnswer(message)
    if (answer === null) throw new RpcError('rpc-malformed', 'the keeper sent an unknown message')
    if (answer.kind === 'event') {
      const name = answer.name as EventName
      if (Object.hasOwn(EVENTS, name) && EVENTS[name](answer.params))
        this.emit(name, ...([answer.params] as unknown as Events[typeof name]))
      return
    }
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.kind === 'result') waiting?.resolve(answer.result)
    else {
      const code = isErrorCode(answer.code) ? answer.code : 'internal'
      const { detail, hint, free } = answer
      waiting?.reject(new KeeperError(code, detail, { ...(hint && { hint }), ...(free && { free }) }))
    }
  }

  /**
   * Calls a method of the keeper.
   *
   * @throws KeeperError with the keeper's code, or `keeper-unavailable` when the connection is down or breaks
   */
  call<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    const socket = this.#socket
    if (!socket) return Promise.reject(unavailable())
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1
    const id = this.#lastId
    return new Promise<unknown>((resolve, reject) => {
      const request = frame([id, method, caller, params as unknown as Cbor])
      this.#waiting.set(id, { resolve, reject })
      socket.write(request)
    }) as Promise<Results[M]>
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#socket?.destroy()
  }
}

function unavailable(): KeeperError {
  return new KeeperError('keeper-unavailable', 'the key process does not answer', {
    hint: 'it is restarted within a second; try again',
  })
}
