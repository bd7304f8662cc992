/**
 * The floor of a request: a bare `node:https` server with client certificates that answers as many bytes as it is told, on
 * a port of its own or on a serial line. With `behind` it asks a process behind a UNIX socket for each answer.
 */
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { openSerialLine } from '../../appliance/gate/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import { openFloorLine } from '../link/floor-line.ts'

process.once('message', ({ key, cert, ca, answer, serial, floor, behind }: Record<string, string>) => {
  const options = {
    key,
    cert,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3' as const,
  }
  const next = behind === undefined ? null : connect(behind)
  const server = createServer(options, (request, response) => {
    request.resume()
    const reply = (text: string | undefined) => {
      response.setHeader('content-type', 'application/json')
      response.end(text)
    }
    request.on('end', () => {
      if (!next) return reply(answer)
      // one request at a time: what is measured is latency
      next.once('data', bytes => reply(bytes.toString()))
      next.write('?')
    })
  })
  if (serial !== undefined) {
    const link = new Link({ side: 'device' })
    link.on('session', session => server.emit('connection', session))
    const open = floor ? openFloorLine : openSerialLine
    open(serial, {
      onPort: port => {
        link.attach(port)
        process.send?.('ready')
      },
    })
    return
  }
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
})
process.once('disconnect', () => process.exit(0))
