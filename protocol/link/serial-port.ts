/**
 * A serial port as a Duplex for `Link.attach`, made with a `SerialPort` class that is passed in, so that both ends of the
 * cable share it and only the ends load the native module. docs/formats/link.md §7.
 *
 * Where Node can move the bytes itself (`terminal.ts`), serialport only sets the terminal up and locks it. Elsewhere three
 * faults of serialport 13 are mended here: its poller forgets that a read waits when a write begins to wait (and
 * then a busy port stands still for ever), a hung-up terminal is read in a loop, and only `close()` frees the descriptor.
 */

import type { Duplex } from 'node:stream'
import { destroyed, NOT_TWICE, type TerminalClass, terminalStream } from './terminal.ts'

/** An open port. */
export interface OpenPort {
  /** The bytes; ends, errors or closes when the port is gone. */
  readonly stream: Duplex
  /** Frees the port; never rejects. */
  close(): Promise<void>
}

/** What is used of an instance of serialport's `SerialPort`. */
export interface SerialPortLike extends Duplex {
  readonly isOpen: boolean
  readonly port?: object | undefined
  open(callback: (error: Error | null) => void): void
  close(callback: (error: Error | null) => void): void
  flush(callback: (error: Error | null) => void): void
}

/** serialport's `SerialPort` class, as far as it is used. */
export type SerialPortClass = new (options: {
  path: string
  baudRate: number
  hupcl: boolean
  autoOpen: boolean
  highWaterMark: number
}) => SerialPortLike

/** Reads from a descriptor, as the promise of `fs.read`. */
export type ReadDescriptor = (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: null,
) => Promise<{ bytesRead: number }>

/** What a port is opened with: serialport's class, and how its bytes are moved. */
export interface SerialSystem {
  readonly SerialPort: SerialPortClass
  readonly read: ReadDescriptor
  /** Where libuv can wait for a terminal (Linux): half the work for each byte, measured. */
  readonly Terminal?: TerminalClass | undefined
}

/**
 * Opens the terminal at `path`, raw, locked, and without touching its modem lines.
 *
 * @throws the error of the operating system when it cannot be opened
 */
export function openSerialPort(
  { SerialPort, read, Terminal }: SerialSystem,
  path: string,
): Promise<OpenPort> {
  // USB and pseudo terminals ignore the speed, but there has to be one
  const stream = new SerialPort({
    path,
    baudRate: 115_200,
    hupcl: false,
    autoOpen: false,
    highWaterMark: 65_536,
  })
  stream.on('error', () => {})
  return new Promise((resolve, reject) => {
    stream.open(error => {
      if (error) {
        reject(error)
        return
      }
      const { port } = stream
      if (Terminal !== undefined && hasDescriptor(port)) {
        try {
          const bytes = terminalStream(Terminal, port.fd)
          if (bytes === null) reject(new Error(NOT_TWICE))
          else resolve(overTerminal(stream, bytes))
        } catch (cause) {
          // a port that is kept open keeps its lock, and could never be opened again
          void close(stream).then(() => reject(cause))
        }
        return
      }
      mendPoller(port)
      mendRead(port, read)
      resolve({ stream, close: () => close(stream) })
    })
  })
}

function hasDescriptor(port: object | undefined): port is { fd: number } {
  return typeof (port as { fd?: unknown } | undefined)?.fd === 'number'
}

/** serialport sets the terminal up, and holds its lock; the bytes go another way. */
function overTerminal(lock: SerialPortLike, stream: Duplex): OpenPort {
  return {
    stream,
    close: async () => {
      await flush(lock)
      await Promise.all([destroyed(stream), close(lock)])
    },
  }
}

function flush(stream: SerialPortLike): Promise<void> {
  return new Promise(resolve => stream.flush(() => resolve()))
}

function close(stream: SerialPortLike): Promise<void> {
  return new Promise(resolve => {
    if (!stream.isOpen) {
      resolve()
      return
    }
    // without the flush the kernel may wait half a minute for a reader of the last bytes
    stream.flush(() => stream.close(() => resolve()))
  })
}

interface Poller {
  poll(flags: number): void
  once(event: 'readable', callback: (error: Error | null) => void): unknown
  emit(event: string, ...rest: unknown[]): boolean
}

const FLAG: Readonly<Record<string, number>> = { readable: 1, writable: 2, disconnect: 4 }

/**
 * Makes every wait ask for all events that are still waited for: the native call replaces the former set.
 *
 * @param binding the `port` of an open `SerialPort`; anything without a poller (Windows) is left alone
 */
export function mendPoller(binding: unknown): void {
  const poller = (binding as { poller?: Poller } | null | undefined)?.poller
  if (typeof poller?.poll !== 'function' || typeof poller.emit !== 'function') return
  const poll = poller.poll.bind(poller)
  const emit = poller.emit.bind(poller)
  let waiting = 0
  poller.poll = flags => {
    waiting |= flags
    poll(waiting)
  }
  poller.emit = (event, ...rest) => {
    waiting &= ~(FLAG[event] ?? 0)
    return emit(event, ...rest)
  }
}

interface Binding {
  fd: number | null
  readonly poller: Poller
  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number; buffer: Buffer }>
}

/**
 * Makes a read of nothing the end of the port: a raw terminal has nothing only after it hung up, and serialport would
 * read it again and again.
 *
 * @param binding as for {@link mendPoller}
 */
export function mendRead(binding: unknown, read: ReadDescriptor): void {
  const port = binding as Binding | null | undefined
  if (typeof port?.fd !== 'number' || typeof port.poller?.once !== 'function') return
  port.read = async (buffer, offset, length) => {
    for (;;) {
      // `canceled` is serialport's word for a port that its owner closed
      if (port.fd === null) throw Object.assign(new Error('the port is closed'), { canceled: true })
      try {
        const { bytesRead } = await read(port.fd, buffer, offset, length, null)
        if (bytesRead > 0) return { bytesRead, buffer }
        throw new Error('the terminal hung up')
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code !== 'EAGAIN' && code !== 'EINTR') throw error
      }
      if (port.fd !== null) await readable(port.poller)
    }
  }
}

function readable(poller: Poller): Promise<void> {
  return new Promise((resolve, reject) => {
    poller.once('readable', error => (error ? reject(error) : resolve()))
  })
}
