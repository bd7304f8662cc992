/**
 * The device's end of the cable: the gadget's terminal, or a UNIX socket on machines without one. docs/formats/link.md §7.
 */

import { read, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { ReadStream } from 'node:tty'
import { promisify } from 'node:util'
import { keepOpen, type LineOptions, type SerialLine } from '../../protocol/link/line.ts'
import { type OpenPort, openSerialPort } from '../../protocol/link/serial-port.ts'
import { holdingTimers } from '../../protocol/link/timers.ts'
import { GadgetTerminal, isGadgetTerminal } from './gadget-terminal.ts'

/** A gadget's line waits for its host by itself, so a cable that was pulled needs no pause before the next, ms. */
const GADGET_PAUSE = 10

/**
 * Keeps the line at `path` open, and the process alive, until stopped: a device whose cable is out waits for it.
 *
 * @param path a terminal (`/dev/ttyGS0`), or `unix:` and the path of a socket to listen on
 */
export function openSerialLine(path: string, options: Omit<LineOptions, 'open'>): SerialLine {
  const kept = { timers: holdingTimers, ...options }
  if (isGadgetTerminal(path)) {
    const terminal = new GadgetTerminal(path)
    const line = keepOpen({ pause: GADGET_PAUSE, ...kept, open: () => terminal.next() })
    return {
      closed: line.closed,
      async stop() {
        terminal.close()
        await line.stop()
      },
    }
  }
  if (!path.startsWith('unix:')) {
    return keepOpen({
      ...kept,
      open: async () => {
        const { SerialPort } = await import('serialport')
        return openSerialPort({ SerialPort, read: promisify(read), Terminal: ReadStream }, path)
      },
    })
  }
  const listener = new SocketListener(path.slice('unix:'.length))
  const line = keepOpen({ ...kept, open: () => listener.next() })
  void line.closed.then(() => listener.close())
  return {
    closed: line.closed,
    async stop() {
      listener.close()
      await line.stop()
    },
  }
}

/** Takes one connection at a time; a new one takes the place of the one before, as a replugged cable would. */
class SocketListener {
  readonly #path: string
  #server: Server | null = null
  #current: Socket | null = null
  #next: Socket | null = null
  #settle: ((error: Error | null) => void) | null = null

  constructor(path: string) {
    this.#path = path
  }

  /** The next connection. Rejects when the socket cannot be listened on, and when the listener is closed. */
  async next(): Promise<OpenPort> {
    if (this.#next === null) {
      await new Promise<void>((resolve, reject) => {
        this.#settle = error => (error ? reject(error) : resolve())
        if (this.#server === null) this.#listen()
      })
    }
    const socket = this.#next!
    this.#next = null
    this.#current = socket
    return {
      stream: socket,
      close: async () => {
        socket.destroy()
      },
    }
  }

  close(): void {
    this.#server?.close()
    this.#server = null
    this.#next?.destroy()
    this.#tell(new Error('the line was stopped'))
  }

  #listen(): void {
    // a socket file that a dead process left behind
    rmSync(this.#path, { force: true })
    const server = createServer(socket => {
      socket.on('error', () => {})
      this.#next?.destroy()
      this.#next = socket
      this.#current?.destroy()
      this.#tell(null)
    })
    server.on('error', error => {
      this.#server = null
      this.#tell(error)
    })
    this.#server = server.listen(this.#path)
  }

  #tell(error: Error | null): void {
    const settle = this.#settle
    this.#settle = null
    settle?.(error)
  }
}
