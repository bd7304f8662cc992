/**
 * Finds devices on the LAN by multicast DNS (RFC 6762) and DNS-SD (RFC 6763), service `_claviger._tcp`.
 * docs/decisions/discovery.md.
 *
 * Everybody on the LAN can announce anything, so what is found is a hint where to try: the device proves itself by its pinned
 * key afterwards. What is read is held to a few numbers, and none of the texts of others is kept.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { BlockList } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Finds, type FoundDevice, type ResponsePacket, readAnnouncement, SERVICE } from './announcement.ts'

export { type FoundDevice, lanAddresses } from './announcement.ts'

/** How to look; one of `timeoutMs` and `signal` ends it. */
export interface BrowseOptions {
  /** Default 2000, or none where there is a signal. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Hears of a device when it is found, and again when it is found elsewhere. */
  onFound?(device: FoundDevice): void
  /** Only these serial numbers: who announces others then takes no place of theirs. */
  readonly serials?: readonly string[]
  /** Hears why an interface could not be asked. */
  onFailure?(error: Error): void
  /** Names of the interfaces to ask, at most 8; by default all with an IPv4 address but the loopback. */
  readonly interfaces?: readonly string[]
  /** The interfaces of this machine. */
  readonly list?: () => NodeJS.Dict<NetworkInterfaceInfo[]>
  /** UDP port, another than 5353 for tests. */
  readonly udpPort?: number
}

/** How many interfaces are asked, and how much is read on each. */
const MOST_INTERFACES = 8
const LONGEST = 1500
const READ_PER_SECOND = 200

/** Between questions, ms; the last one again and again (RFC 6762 §5.2). */
const PAUSES = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000] as const

/** Between looks for interfaces that came, went, or have another address, ms. */
const LOOK_MS = 5000

/**
 * Asks the LAN until the time is over, also on interfaces that come later.
 *
 * @returns one entry for each serial number and port, in the order in which they were found
 */
export async function browse(options: BrowseOptions = {}): Promise<FoundDevice[]> {
  const { signal, timeoutMs = signal ? undefined : 2000, list = networkInterfaces } = options
  const { udpPort = 5353, onFound, onFailure } = options
  const ends = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)]
  const end = AbortSignal.any(ends.filter(one => one !== undefined))
  const finds = new Finds(options.serials)
  let subnets = new BlockList()
  const hear = (packet: ResponsePacket, from: RemoteInfo) => {
    // RFC 6762 §6, §11: only from the port of multicast DNS, and only from the own link
    if (end.aborted || from.port !== udpPort || !subnets.check(from.address)) return
    for (const device of readAnnouncement(packet, subnets)) {
      const news = finds.add(device, performance.now())
      if (news) onFound?.(news)
    }
  }
  const askers = new Map<string, Asker>()
  while (!end.aborted) {
    const machine = list()
    subnets = subnetsOf(machine)
    const wanted = askedAddresses(machine, options.interfaces)
    for (const [address, asker] of askers)
      if (!wanted.includes(address)) {
        askers.delete(address)
        await asker.stop()
      }
    for (const address of wanted)
      if (!askers.has(address)) askers.set(address, await startAsking(address, udpPort, hear, onFailure))
    const waits = [...askers.values()].map(asker => asker.ask(performance.now()))
    await sleep(Math.min(LOOK_MS, ...waits), undefined, { signal: end }).catch(() => {})
  }
  await Promise.all([...askers.values()].map(asker => asker.stop()))
  return finds.all()
}

function subnetsOf(machine: NodeJS.Dict<NetworkInterfaceInfo[]>): BlockList {
  const subnets = new BlockList()
  for (const { cidr, family } of Object.values(machine).flatMap(addresses => addresses ?? [])) {
    const [network, prefix] = cidr?.split('/') ?? []
    if (network && prefix) subnets.addSubnet(network, Number(prefix), family === 'IPv6' ? 'ipv6' : 'ipv4')
  }
  return subnets
}

/** The first IPv4 address of each interface that is asked; multicast needs one. */
function askedAddresses(
  machine: NodeJS.Dict<NetworkInterfaceInfo[]>,
  names: readonly string[] | undefined,
): string[] {
  return Object.entries(machine)
    .flatMap(([name, addresses = []]) => {
      const found = addresses.find(({ family }) => family === 'IPv4')
      return found && (names ? names.includes(name) : !found.internal) ? [found.address] : []
    })
    .slice(0, MOST_INTERFACES)
}

interface Asker {
  /**
   * Asks, if it is time for it.
   *
   * @returns ms until the next time
   */
  ask(now: number): number
  stop(): Promise<void>
}

type Hear = (packet: ResponsePacket, from: RemoteInfo) => void

/** What is used of the package's inside. */
interface Mdns {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'response', listener: Hear): unknown
  removeAllListeners(event: 'query'): unknown
  query(name: string, type: string, done: (error?: Error | null) => void): void
}

async function startAsking(
  address: string,
  port: number,
  hear: Hear,
  onFailure: (error: Error) => void = () => {},
): Promise<Asker> {
  const { Bonjour } = await import('bonjour-service')
  const settings = { socket: thinned(), interface: address, bind: '0.0.0.0', port }
  const bonjour = new Bonjour(settings as object, onFailure)
  const { mdns } = (bonjour as unknown as { server: { mdns: Mdns } }).server
  mdns.on('error', onFailure)
  // there is nothing here to tell about
  mdns.removeAllListeners('query')
  // the package's own browser keeps what it hears without an end, and compares each record with each
  mdns.on('response', hear)
  let round = 0
  let next = 0
  return {
    ask: now => {
      if (now >= next) {
        mdns.query(SERVICE, 'PTR', error => error && onFailure(error))
        next = now + PAUSES[Math.min(round++, PAUSES.length - 1)]!
      }
      return next - now
    },
    stop: () => new Promise(resolve => bonjour.destroy(() => resolve())),
  }
}

/** A socket that drops what is too long or too much before it is decoded, since decoding may cost the square of the length. */
function thinned(): Socket {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const emit = socket.emit.bind(socket) as (event: string, ...rest: unknown[]) => boolean
  let second = 0
  let count = 0
  socket.emit = (event: string, ...rest: unknown[]) => {
    if (event !== 'message') return emit(event, ...rest)
    const now = Math.floor(performance.now() / 1000)
    if (now !== second) count = 0
    second = now
    return ++count <= READ_PER_SECOND && (rest[0] as Buffer).length <= LONGEST && emit(event, ...rest)
  }
  return socket
}
