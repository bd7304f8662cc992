/**
 * The terminal of the USB gadget (`/dev/ttyGS0`), opened while a host has configured the device and closed when the cable
 * is pulled. Without a native module: `appliance/gadget` has made the terminal raw. docs/decisions/gadget-line.md.
 */
import { close, constants, open } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { ReadStream } from 'node:tty'
import { promisify } from 'node:util'
import type { OpenPort } from '../../protocol/link/serial-port.ts'
import { destroyed, NOT_TWICE, terminalStream } from '../../protocol/link/terminal.ts'
import { holdingTimers, type Timers } from '../../protocol/link/timers.ts'

/** What is used besides the terminal. */
export interface GadgetTerminalOptions {
  /** Whether a host has configured the device. */
  configured?(): Promise<boolean>
  readonly timers?: Timers
}

/** Pause between two looks at a cable that is out, ms. */
const LOOK_EVERY = 25
const CONTROLLERS = '/sys/class/udc'

/** Whether a path is a gadget's terminal. */
export function isGadgetTerminal(path: string): boolean {
  return /^\/dev\/ttyGS\d+$/.test(path)
}

/** One terminal, over all of its cables. */
export class GadgetTerminal {
  readonly #path: string
  readonly #configured: () => Promise<boolean>
  readonly #timers: Timers
  #closed = false
  #wake = () => {}

  constructor(
    path: string,
    { configured = anyConfigured, timers = holdingTimers }: GadgetTerminalOptions = {},
  ) {
    this.#path = path
    this.#configured = configured
    this.#timers = timers
  }

  /**
   * Waits for a host and opens the terminal. Nothing is held open while there is none: who removes the gadget's function
   * is kept waiting by the kernel for as long as somebody has its terminal open.
   */
  async next(): Promise<OpenPort> {
    for (;;) {
      while (!this.#closed && !(await this.#configured())) await this.#pause()
      if (this.#closed) throw new Error('the line was stopped')
      const port = await openTerminal(this.#path)
      // a cable that was pulled meanwhile hung up what was open then, and that was not this
      if (!this.#closed && (await this.#configured())) return port
      await port.close()
    }
  }

  /** Ends a wait in {@link next}. */
  close(): void {
    this.#closed = true
    this.#wake()
  }

  #pause(): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#timers.setTimeout(resolve, LOOK_EVERY)
      this.#wake = () => {
        this.#timers.clearTimeout(timer)
        resolve()
      }
    })
  }
}

/**
 * Opens a terminal that is raw already.
 *
 * @throws the error of the operating system
 */
export async function openTerminal(path: string): Promise<OpenPort> {
  // as the controlling terminal of a service, pulling the cable would end the service
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants
  const fd = await promisify(open)(path, O_RDWR | O_NOCTTY | O_NONBLOCK)
  let isOurs = true
  try {
    const stream = terminalStream(ReadStream, fd)
    isOurs = stream !== null
    if (stream === null) throw new Error(NOT_TWICE)
    return { stream, close: () => destroyed(stream) }
  } finally {
    if (isOurs) await promisify(close)(fd)
  }
}

/** A controller keeps the state of the last gadget when that is unbound, but no longer names its function. */
async function anyConfigured(): Promise<boolean> {
  const controllers = await readdir(CONTROLLERS).catch(() => [])
  const told = await Promise.all(
    controllers.map(name =>
      Promise.all(
        ['state', 'function'].map(file =>
          readFile(`${CONTROLLERS}/${name}/${file}`, 'latin1').catch(() => ''),
        ),
      ),
    ),
  )
  return told.some(([state, bound]) => state?.trim() === 'configured' && bound?.trim() !== '')
}
