/** The host's end of one serial line: a link over a port that is kept open, and what is known of who is there. */
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Hello } from '../../protocol/link/hello.ts'
import type { SerialLine } from '../../protocol/link/line.ts'
import { Link } from '../../protocol/link/link.ts'
import { ConnectionError } from './errors.ts'
import { openSerialLine } from './serial-line.ts'
import { portHolders } from './usb/holder.ts'

/** How long a connection waits for the device's greeting, ms. */
const GREETING_MS = 3000
/** Longest pause between two tries to open a port that is there, ms. */
const LONGEST_PAUSE_MS = 500

/** What happens on a {@link HostLine}. */
export interface HostLineEvents {
  /** The device greeted: after each opening, each restart of it, and each change of its state. */
  hello: [hello: Hello]
  /** The port could not be opened, or went away (`null`: without an error). It is tried again. */
  failure: [error: Error | null]
}

/** One serial line, held by this process. */
export class HostLine extends EventEmitter<HostLineEvents> {
  readonly path: string
  readonly #link = new Link({ side: 'host' })
  readonly #line: SerialLine
  /** Connections that wait for the greeting. */
  readonly #waiting = new Set<(failure: Error | null) => void>()
  #failure: Error | null = null
  #greeting: string | null = null

  /** @param path - a tty, or `unix:/path` of a stream socket */
  constructor(path: string) {
    super()
    this.path = path
    this.#link.on('hello', hello => {
      this.#failure = null
      this.#greeting = `${hello.epoch}:${hello.heard}`
      this.#tell(null)
      this.emit('hello', hello)
    })
    this.#line = openSerialLine(path, {
      longest: LONGEST_PAUSE_MS,
      onPort: port => this.#link.attach(port),
      onFailure: error => {
        this.#failure = error
        this.#tell(error ?? new Error('the line was closed'))
        this.emit('failure', error)
      },
    })
  }

  /** True while device and host hear each other. */
  get greeted(): boolean {
    return this.#link.greeted
  }

  /** As `Wire.greeting`: both ends' epochs. */
  get greeting(): string | null {
    return this.greeted ? this.#greeting : null
  }

  /** Sessions that live now. */
  get sessions(): number {
    return this.#link.sessions
  }

  /** A fresh byte stream to the gate. @throws ConnectionError `unreachable` */
  async open(): Promise<Duplex> {
    if (!this.#link.greeted) {
      const failure = await this.#untilGreeted()
      if (failure) throw await this.#why(failure)
    }
    return this.#link.open()
  }

  /** Why nothing answers at the moment; `null` while somebody does. */
  async problem(): Promise<ConnectionError | null> {
    return this.greeted ? null : this.#why(this.#failure ?? new Error('nothing answers'))
  }

  async #why(failure: Error): Promise<ConnectionError> {
    if (this.#link.counters.badHello === 0) return whyUnreachable(this.path, failure)
    return new ConnectionError(
      'unreachable',
      `the device on ${this.path} speaks another version of the link`,
      {
        cause: failure,
        hint: 'bring the software of this machine and of the device to the same release',
      },
    )
  }

  /** @throws LinkError `link-failed` when there is no answer within `timeout` ms */
  ping(timeout: number): Promise<number> {
    return this.#link.ping(timeout)
  }

  /** Frees the port; never rejects. */
  async close(): Promise<void> {
    this.#link.detach('the client is closing')
    await this.#line.stop()
    this.#tell(new Error('the line was closed'))
  }

  #tell(failure: Error | null): void {
    for (const resolve of this.#waiting) resolve(failure)
    this.#waiting.clear()
  }

  /** Resolves when both ends have heard each other, or with what went wrong. */
  #untilGreeted(): Promise<Error | null> {
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
}

/** Tells what keeps a port from answering, as far as can be found out. */
export async function whyUnreachable(path: string, cause: Error): Promise<ConnectionError> {
  const { code } = cause as NodeJS.ErrnoException
  const told = `${code ?? ''} ${cause.message}`
  if (/lock|EBUSY|busy|Access denied/i.test(told)) return heldByAnother(path, cause)
  if (code === 'ERR_MODULE_NOT_FOUND')
    return new ConnectionError('unreachable', `this program cannot open ${path} by itself`, {
      cause,
      hint: 'let the agent hold the device: claviger agent; or install the npm package serialport beside this program',
    })
  if (/EACCES|permission denied/i.test(told))
    return new ConnectionError('unreachable', `this user may not open ${path}`, {
      cause,
      hint: 'install the udev rule that comes with claviger, or join the group that owns the port (dialout on Debian)',
    })
  if (/ENOENT|no such file|ENODEV|ENXIO/i.test(told))
    return new ConnectionError('unreachable', `there is no port ${path}`, {
      cause,
      hint: 'plug the device in; claviger status lists the devices that are seen',
    })
  return new ConnectionError('unreachable', `no appliance answers on ${path}`, {
    cause,
    hint: 'is this the port of the device, and has it been on for half a minute? if so, pull it and plug it in again',
  })
}

async function heldByAnother(path: string, cause: Error): Promise<ConnectionError> {
  const holders = await portHolders(path)
  const names = holders.map(({ pid, command }) => `${command} (process ${pid})`).join(' and ')
  return new ConnectionError('unreachable', `${path} is held by ${names || 'another program'}`, {
    cause,
    hint: 'end that program; several programs share a device only through claviger agent',
  })
}
