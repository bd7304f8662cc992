/** Who is at the other end of a loopback connection: on Linux the kernel says which user's socket it is (proc_pid_net(5), `/proc/net/tcp`). */
import { readFile } from 'node:fs/promises'
import { isIPv4, type Socket } from 'node:net'
import { endianness } from 'node:os'

/** One end of a TCP connection over IPv4. */
export interface Endpoint {
  address: string
  port: number
}

/** A socket that nobody holds any more is told as root's, so only an established one says whose it is. */
const ESTABLISHED = '01'
/** `::ffff:a.b.c.d`: how a socket of the other family shows an IPv4 address. */
const MAPPED = '0000000000000000FFFF0000'

/**
 * The owner of a client's socket.
 *
 * @param table - text of `/proc/net/tcp` or `/proc/net/tcp6`
 * @returns `null` where the table has no such established connection
 */
export function ownerOf(table: string, client: Endpoint, server: Endpoint): number | null {
  const ours = [nameOf(client), nameOf(server)]
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state, , , , uid = ''] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || !/^\d+$/.test(uid)) continue
    const row = [local, remote].map(end => (end.startsWith(MAPPED) ? end.slice(MAPPED.length) : end))
    if (row[0] === ours[0] && row[1] === ours[1]) return Number(uid)
  }
  return null
}

/** `0100007F:1BCF`: the kernel prints the four bytes as a number of its own byte order. */
function nameOf({ address, port }: Endpoint): string {
  const bytes = address.split('.').map(byte => Number(byte).toString(16).padStart(2, '0'))
  if (endianness() === 'LE') bytes.reverse()
  return `${bytes.join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}

/** Whether the client of an accepted connection runs as this process's user. Other systems than Linux do not say: there it is `true`. */
export async function isOwnPeer(socket: Socket): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
  if (!isIPv4(remoteAddress) || !isIPv4(localAddress)) return false
  const client = { address: remoteAddress, port: remotePort }
  const server = { address: localAddress, port: localPort }
  for (const family of ['tcp', 'tcp6']) {
    const table = await readFile(`/proc/net/${family}`, 'utf8').catch(() => '')
    const owner = ownerOf(table, client, server)
    if (owner !== null) return owner === process.getuid?.()
  }
  return false
}
