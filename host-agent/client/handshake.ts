/** TLS to the appliance over any stream: our certificate shown, its key checked against the pin before a byte is sent. */
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { spkiPin } from '../../protocol/identity/certificate.ts'
import { ConnectionError } from './errors.ts'
import type { Credentials } from './identity.ts'
import { unreachable, type Wire } from './wire.ts'

/** Decides on the device's pin (32 bytes); throws to refuse it. */
export type PinCheck = (pin: Uint8Array) => void

/** Accepts one pinned device. */
export function pinned(expected: Uint8Array): PinCheck {
  return pin => {
    if (Buffer.compare(pin, expected) !== 0)
      throw new ConnectionError('device-mismatch', 'this is not the device that was enrolled with', {
        hint: 'if the device was replaced, ask for a new invitation; if not, somebody is in between',
      })
  }
}

/** Opens the wire and shakes hands. @throws ConnectionError, also what `check` throws */
export async function openTls(wire: Wire, credentials: Credentials, check: PinCheck): Promise<TLSSocket> {
  const socket = await handshake(await wire.open(), credentials, wire.address)
  try {
    check(spkiPin(socket.getPeerX509Certificate()!.publicKey))
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

const HANDSHAKE_MS = 10_000

/** The device's certificate is self-signed: who it is, the pin says, so no authority is asked. */
function handshake(stream: Duplex, credentials: Credentials, address: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = begin(stream, credentials)
    const timer = setTimeout(() => fail(new Error('the TLS handshake timed out')), HANDSHAKE_MS)
    const fail = (cause: Error) => {
      clearTimeout(timer)
      socket.destroy()
      stream.destroy()
      reject(unreachable(address, cause))
    }
    const closed = () => fail(new Error('the connection was closed in the TLS handshake'))
    socket.once('error', fail)
    socket.once('close', closed)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      socket.off('close', closed)
      resolve(socket)
    })
  })
}

/** @throws ConnectionError `bad-profile` */
function begin(stream: Duplex, { key, certificate }: Credentials): TLSSocket {
  try {
    return connect({
      socket: stream,
      key,
      cert: certificate,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      // None is asked, so none is loaded: that would take as long as the handshake.
      ca: [],
    })
  } catch (cause) {
    stream.destroy()
    throw new ConnectionError('bad-profile', 'the key or certificate of this enrolment cannot be used', {
      cause,
      hint: 'enrol again with a new invitation',
    })
  }
}
