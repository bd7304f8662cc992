/** The two wires: each opens fresh byte streams to the gate. Nothing above knows which one it is. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { ConnectionError } from './errors.ts'

/** Something that opens byte streams to one appliance. */
export interface Wire {
  /** For people: `https://192.168.1.5:8443`, `serial:/dev/ttyACM0`. */
  readonly address: string
  /** A fresh stream of bytes to the device. @throws ConnectionError `unreachable` or `link-failed` */
  open(): Promise<Duplex>
  /**
   * What stays the same for as long as this machine and the device hear each other without a break; `null` while they do not.
   * Missing where nobody can tell.
   */
  greeting?(): Promise<string | null>
  /** Frees what the wire holds, a serial line for one. */
  close(): Promise<void>
}

const CONNECT_MS = 5000

/** A TCP wire. */
export function lanWire(host: string, port: number): Wire {
  const address = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    address,
    open: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port, noDelay: true, keepAlive: true, timeout: CONNECT_MS })
        const fail = (cause?: Error) => {
          socket.destroy()
          reject(unreachable(address, cause))
        }
        socket.once('error', fail)
        socket.once('timeout', fail)
        socket.once('connect', () => {
          socket.off('error', fail)
          socket.off('timeout', fail)
          socket.setTimeout(0)
          resolve(socket)
        })
      }),
    close: async () => {},
  }
}

export function unreachable(address: string, cause?: unknown): ConnectionError {
  return new ConnectionError('unreachable', `no appliance answers at ${address}`, {
    cause,
    hint: 'is it plugged in and switched on, and is the address right?',
  })
}

const DEFAULT_PORT = 8443
/** A link-local address with its interface (RFC 4007 §11), which a URL cannot hold (RFC 6874 was given up). */
const ZONED = /^https:\/\/\[(fe80:[0-9a-f:]+)%(?:25)?([\w.-]{1,32})\](?::(\d{1,5}))?\/?$/i

/**
 * Opens the wire that an address names.
 *
 * @throws ConnectionError `unreachable` for an address that is neither `https://host[:port]` nor `serial:/path`
 */
export async function openWire(address: string): Promise<Wire> {
  if (address.startsWith('serial:')) {
    const { serialWire } = await import('./serial-wire.ts')
    return serialWire(address.slice('serial:'.length))
  }
  const zoned = ZONED.exec(address)
  if (zoned) return lanWire(`${zoned[1]}%${zoned[2]}`, Number(zoned[3] ?? DEFAULT_PORT))
  const url = URL.canParse(address) ? new URL(address) : null
  if (url?.protocol !== 'https:')
    throw new ConnectionError('unreachable', `${address} is not an address`, {
      hint: 'write usb: for a dongle, https://host:8443, or serial:/dev/ttyACM0',
    })
  return lanWire(url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || DEFAULT_PORT))
}
