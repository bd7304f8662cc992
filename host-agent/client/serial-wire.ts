/** The serial wire: one link over one line, one session for each connection. */
import type { Duplex } from 'node:stream'
import type { SerialLine } from '../../protocol/link/line.ts'
import { Link } from '../../protocol/link/link.ts'
import { ConnectionError } from './errors.ts'
import { openSerialLine } from './serial-line.ts'
import type { Wire } from './wire.ts'

const GREETING_MS = 3000

/** A line that this process holds, for all of its wires to the same path: a tty has one owner. */
class SharedLine {
  readonly #path: string
  readonly #link = new Link({ side: 'host' })
  readonly #line: SerialLine
  /** Connections that wait for the greeting. */
  readonly #waiting = new Set<(failure: Error | null) => void>()
  users = 0

  constructor(path: string) {
    this.#path = path
    this.#link.on('hello', () => {
      if (this.#link.greeted) this.#tell(null)
    })
    this.#line = openSerialLine(path, {
      onPort: port => this.#link.attach(port),
      onFailure: error => this.#tell(error ?? new Error('the line was closed')),
    })
  }

  #tell(failure: Error | null): void {
    for (const resolve of this.#waiting) resolve(failure)
    this.#waiting.clear()
  }

  async open(): Promise<Duplex> {
    if (!this.#link.greeted) {
      const failure = await this.#greeting()
      if (failure) throw this.#unreachable(failure)
    }
    return this.#link.open()
  }

  /** Resolves when both ends have heard each other, or with what went wrong. */
  #greeting(): Promise<Error | null> {
    return new Promise(resolve => {
      const timer = setTimeout(() => done(new Error('nothing answers on the line')), GREETING_MS)
      const done = (failure: Error | null) => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve(failure)
      }
      this.#waiting.add(done)
    })
  }

  #unreachable(cause: Error): ConnectionError {
    if (/lock/i.test(cause.message))
      return new ConnectionError('unreachable', `another program holds ${this.#path}`, {
        cause,
        hint: 'end that program; a serial line has one user at a time',
      })
    return new ConnectionError('unreachable', `no appliance answers on ${this.#path}`, {
      cause,
      hint: 'is the device plugged in, and is this its port?',
    })
  }

  async close(): Promise<void> {
    this.#link.detach('the client is closing')
    await this.#line.stop()
  }
}

const lines = new Map<string, SharedLine>()

/**
 * A serial wire. The line is opened with the first connection, and again whenever it went away.
 *
 * @param path - a tty, or `unix:/path` of a stream socket
 */
export function serialWire(path: string): Wire {
  let line: SharedLine | undefined
  const take = (): SharedLine => {
    const shared = lines.get(path) ?? new SharedLine(path)
    lines.set(path, shared)
    shared.users++
    return shared
  }
  return {
    address: `serial:${path}`,
    open: () => {
      line ??= take()
      return line.open()
    },
    close: async () => {
      const leaving = line
      line = undefined
      if (!leaving || --leaving.users > 0) return
      lines.delete(path)
      await leaving.close()
    },
  }
}
