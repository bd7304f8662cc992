/**
 * The host's end of the cable: the terminal that the dongle appears as, or a UNIX socket. docs/formats/link.md §7.
 */

import { read } from 'node:fs'
import { connect } from 'node:net'
import { ReadStream } from 'node:tty'
import { promisify } from 'node:util'
import { keepOpen, type LineOptions, type SerialLine } from '../../protocol/link/line.ts'
import { type OpenPort, openSerialPort, type SerialSystem } from '../../protocol/link/serial-port.ts'

/**
 * Opens the line at `path`, and again after it went away unless `reopen` is false. While it is open it keeps the process
 * alive, between two ports it does not: who waits for a port holds a timer of its own.
 *
 * @param path a terminal (`/dev/ttyACM0`), or `unix:` and the path of a socket to connect to
 */
export function openSerialLine(path: string, options: Omit<LineOptions, 'open'>): SerialLine {
  const open = path.startsWith('unix:')
    ? () => openSocket(path.slice('unix:'.length))
    : async () => openSerialPort(await serialSystem(), path)
  return keepOpen({ ...options, open })
}

async function serialSystem(): Promise<SerialSystem> {
  const { SerialPort } = await import('serialport')
  return {
    SerialPort,
    read: promisify(read),
    Terminal: process.platform === 'linux' ? ReadStream : undefined,
  }
}

function openSocket(path: string): Promise<OpenPort> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve({
        stream: socket,
        close: async () => {
          socket.destroy()
        },
      })
    })
  })
}
