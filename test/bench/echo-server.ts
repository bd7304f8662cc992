/** The floor of a request: a bare `node:https` server with client certificates that answers as many bytes as it is told. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

process.once('message', ({ key, cert, ca, answer }: Record<string, string>) => {
  const options = {
    key,
    cert,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3' as const,
  }
  const server = createServer(options, (request, response) => {
    request.resume()
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      response.end(answer)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
})
process.once('disconnect', () => process.exit(0))
