/** The serial wire: link sessions over one line, each handed to the app's `https.Server` like a TCP connection. */
import type { FastifyInstance } from 'fastify'
import { Link } from '../../protocol/link/link.ts'
import { openSerialLine } from './serial-line.ts'

/** A line that is being served. */
export interface SerialListener {
  /** Counters of the link (docs/formats/link.md). */
  counters(): Record<string, number>
  close(): Promise<void>
}

/**
 * Serves the app on a serial line.
 *
 * @param path - a tty, or `unix:/path` of a stream socket
 * @param deviceId - what the link's HELLO tells; the host checks the device's key, not this
 */
export function listenOnSerial(app: FastifyInstance, path: string, deviceId: string): SerialListener {
  const link = new Link({ side: 'device', hello: { deviceId, state: app.deviceState() ?? 'starting' } })
  link.on('session', session => {
    session.on('error', () => {})
    app.server.emit('connection', session)
  })
  let announced = app.deviceState()
  app.onState(() => {
    // Of several namespaces nobody is told which one changed, nor that one did.
    const state = app.deviceState()!
    if (state !== announced) link.announce({ state })
    announced = state
  })
  // Node starts the timers for slow requests when a server listens; this one may have nothing to listen on.
  if (!app.server.listening) app.server.emit('listening')
  const line = openSerialLine(path, {
    onPort: port => link.attach(port),
    onFailure: error => {
      if (error) process.stderr.write(`claviger-gate: ${path}: ${error.message}\n`)
    },
  })
  return {
    counters: () => ({ ...link.counters }),
    close: async () => {
      link.detach('the gate is stopping')
      await line.stop()
    },
  }
}
