/** The LAN wire: the app's own `https.Server` on a TCP port. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Listens on `host:port`; port 0 takes a free one.
 *
 * @returns the address as a URL
 * @throws Error that names the address
 */
export async function listenOnLan(app: FastifyInstance, at: string): Promise<string> {
  const found = /^(.*):(\d{1,5})$/.exec(at)
  if (!found) throw new Error(`${at} is not host:port`)
  const host = found[1]!.replace(/^\[|\]$/g, '')
  await app.listen({ host, port: Number(found[2]) })
  const { port } = app.server.address() as AddressInfo
  return `https://${found[1]}:${port}`
}
