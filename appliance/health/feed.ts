/** The feed of snapshots from health to gate: framed CBOR on a UNIX socket, newest first at connect, then each new one. */
import { chmod, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { TIERS } from '../../protocol/api/routes.ts'
import { frame, readMessages, SOCKET_MODE } from '../ipc/frame.ts'
import { boolean, integer, map, nullable, number, type Of, text, word } from '../ipc/shape.ts'

/** A snapshot as it travels. The gate checks it: health is not trusted with anything but numbers. */
export const Snapshot = map({
  /** Seconds since 1970. */
  time: integer(),
  /** Seconds. */
  uptime: integer(),
  model: nullable(text(128)),
  tier: word(...TIERS),
  /** Degrees Celsius; percent of all cores; undervoltage. */
  cpu: map({ temperature: nullable(number), load: number, throttled: nullable(boolean) }),
  /** Bytes. */
  memory: map({ total: integer(), available: integer() }),
  disk: map({ total: integer(), available: integer() }),
})
export type Snapshot = Of<typeof Snapshot>

const RECONNECT_MS = 500

/** Health's end: sends the newest snapshot to whoever connects. */
export class SnapshotFeed {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #newest: Buffer | undefined

  constructor() {
    this.#server = createServer(socket => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => this.#sockets.delete(socket))
      socket.resume()
      if (this.#newest) socket.write(this.#newest)
    })
  }

  async listen(path: string): Promise<void> {
    await rm(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
    await chmod(path, SOCKET_MODE)
  }

  publish(snapshot: Snapshot): void {
    this.#newest = frame(snapshot)
    for (const socket of this.#sockets) socket.write(this.#newest)
  }
}

/** The gate's end: keeps the newest snapshot, forgets it when health is gone. */
export class SnapshotReader {
  readonly #path: string
  #newest: Snapshot | null = null
  #socket: Socket | undefined
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor(path: string) {
    this.#path = path
    this.#connect()
  }

  #connect(): void {
    const socket = connect(this.#path)
    this.#socket = socket
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#newest = null
      if (!this.#closed) this.#retry = setTimeout(() => this.#connect(), RECONNECT_MS)
    })
    readMessages(socket, message => {
      if (Snapshot(message)) this.#newest = message
    })
  }

  newest(): Snapshot | null {
    return this.#newest
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#socket?.destroy()
  }
}
