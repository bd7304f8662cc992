/**
 * Announces the device on its LAN: multicast DNS (RFC 6762) and DNS-SD (RFC 6763), service `_claviger._tcp`. Off unless it is
 * asked for. docs/decisions/discovery.md.
 *
 * The package `bonjour-service` keeps the records and answers; what comes in is thinned out before it, and what goes out is held
 * to the list of {@link announcedRecords} after it, because by itself it would name all addresses of the machine.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

/** What to announce, and where. */
export interface AnnouncementOptions {
  /** TCP port of the gate. */
  readonly port: number
  /** As `deviceSerial` writes it. */
  readonly serial: string
  /** Names of the interfaces that are LAN; by default all with an IPv4 address but the loopback. */
  readonly interfaces?: readonly string[]
  /** Hears why nothing is announced on an interface, or an answer could not be sent; of each reason once for an address. */
  onFailure?(error: Error): void
  /** The interfaces of this machine. */
  readonly list?: () => NodeJS.Dict<NetworkInterfaceInfo[]>
  /** UDP port, another than 5353 for tests. */
  readonly udpPort?: number
}

/** An announcement that is going on. */
export interface Announcement {
  /** Says goodbye and ends it. Never rejects. */
  stop(): Promise<void>
}

/** A resource record as the package writes it. */
export interface AnnouncedRecord {
  readonly name: string
  readonly type: string
  readonly data: unknown
  /** Seconds; 0 is goodbye. */
  readonly ttl?: number
}

/** Between looks for interfaces that came, went, or have another address, ms. */
const LOOK_MS = 5000
/** Longer packets are dropped unread: a question for us needs less than a hundred bytes. */
const LONGEST = 1500
/** Packets read and answers sent per second, on each interface. */
const READ = 100
const SENT = 10

const SERVICE = '_claviger._tcp.local'

/** All that is ever said of a device on one interface: its name, which is its serial number, and where its port is. */
export function announcedRecords(serial: string, port: number, address: string): AnnouncedRecord[] {
  const host = `claviger-${serial}.local`
  const instance = `claviger-${serial}.${SERVICE}`
  return [
    { name: SERVICE, type: 'PTR', data: instance },
    { name: '_services._dns-sd._udp.local', type: 'PTR', data: SERVICE },
    { name: instance, type: 'SRV', data: { port, target: host } },
    { name: instance, type: 'TXT', data: [Buffer.from(`id=${serial}`)] },
    { name: host, type: 'A', data: address },
  ]
}

/** Starts to announce, also on interfaces that get their address later. */
export function startAnnouncing(options: AnnouncementOptions): Announcement {
  const { list = networkInterfaces } = options
  const responders = new Map<string, Responder>()
  let work = Promise.resolve()

  const told = new Set<string>()
  const tell = (where: string) => (error: Error) => {
    const { code = error.message } = error as NodeJS.ErrnoException
    if (!told.has(`${where} ${code}`)) options.onFailure?.(error)
    told.add(`${where} ${code}`)
  }

  const look = async () => {
    const wanted = chosenAddresses(list(), options.interfaces)
    for (const [name, responder] of responders)
      if (!responder.isFor(wanted.get(name))) {
        responders.delete(name)
        await responder.stop()
      }
    for (const [name, at] of wanted)
      if (!responders.has(name)) {
        responders.set(name, await respond(at, { ...options, onFailure: tell(at.address) }))
      }
  }
  const next = () => {
    work = work.then(look).catch(tell(''))
  }
  next()
  const timer = setInterval(next, LOOK_MS).unref()
  return {
    async stop() {
      clearInterval(timer)
      await work
      await Promise.all([...responders.values()].map(responder => responder.stop()))
      responders.clear()
    },
  }
}

interface At {
  readonly address: string
  readonly cidr: string
}

/** The first IPv4 address of each interface that is wanted; multicast needs one. */
function chosenAddresses(
  machine: NodeJS.Dict<NetworkInterfaceInfo[]>,
  names: readonly string[] | undefined,
): Map<string, At> {
  const chosen = new Map<string, At>()
  for (const [name, addresses = []] of Object.entries(machine)) {
    const found = addresses.find(({ family, cidr }) => family === 'IPv4' && cidr !== null)
    if (found && (names ? names.includes(name) : !found.internal))
      chosen.set(name, { address: found.address, cidr: found.cidr! })
  }
  return chosen
}

interface Responder {
  /** Whether it announces what is at this address. */
  isFor(at: At | undefined): boolean
  stop(): Promise<void>
}

/** What is used of the package's inside: it lets nobody look at packets, and throws its errors where nobody catches them. */
interface Mdns {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'query', listener: QueryListener): unknown
  listeners(event: 'query'): QueryListener[]
  removeAllListeners(event: 'query'): unknown
  respond(message: Outgoing | readonly AnnouncedRecord[], done?: (error?: Error | null) => void): void
}
type QueryListener = (query: { questions: { name: string }[] }, from: RemoteInfo) => void
interface Outgoing {
  readonly answers: readonly AnnouncedRecord[]
  readonly additionals?: readonly AnnouncedRecord[]
}

async function respond({ address, cidr }: At, options: AnnouncementOptions): Promise<Responder> {
  const { serial, port, udpPort = 5353, onFailure = () => {} } = options
  const { Bonjour } = await import('bonjour-service')
  const socket = thinned()
  const settings = { socket, interface: address, bind: '0.0.0.0', port: udpPort }
  const bonjour = new Bonjour(settings as object, onFailure)
  const { server } = bonjour as unknown as { server: { mdns: Mdns; register(record: AnnouncedRecord): void } }
  const { mdns } = server
  const records = announcedRecords(serial, port, address)
  // the package forgets the address of an interface without a hardware address, such as WireGuard's
  for (const record of records) if (record.type === 'A') server.register({ ...record, ttl: 120 })
  mdns.on('error', onFailure)
  holdQueries(mdns, records, cidr)
  holdResponses(mdns, records)
  const isThere = await leavesBy(socket, address).catch(onFailure)
  // what is sent would leave by another interface
  if (!isThere) return { isFor: () => false, stop: () => new Promise(resolve => bonjour.destroy(resolve)) }
  bonjour.publish({
    name: `claviger-${serial}`,
    type: 'claviger',
    port,
    host: `claviger-${serial}.local`,
    txt: { id: serial },
    // a name made of a key's hash is nobody else's, and whoever claims it must not be able to silence the device
    probe: false,
    disableIPv6: true,
  })
  return {
    isFor: at => at?.cidr === cidr,
    stop: () => new Promise(resolve => bonjour.unpublishAll(() => bonjour.destroy(() => resolve()))),
  }
}

/** Resolves when the socket is bound, and multicast leaves it by the interface of this address. */
async function leavesBy(socket: Socket, address: string): Promise<true> {
  await once(socket, 'listening')
  socket.setMulticastInterface(address)
  return true
}

/** A socket that drops what is too long or too much before it is decoded, since decoding may cost the square of the length. */
function thinned(): Socket {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const mayRead = perSecond(READ)
  const emit = socket.emit.bind(socket) as (event: string, ...rest: unknown[]) => boolean
  socket.emit = (event: string, ...rest: unknown[]) => {
    if (event === 'message' && ((rest[0] as Buffer).length > LONGEST || !mayRead())) return false
    return emit(event, ...rest)
  }
  return socket
}

/** Passes on only questions for our records that were asked from our subnet (RFC 6762 §11). */
function holdQueries(mdns: Mdns, records: readonly AnnouncedRecord[], cidr: string): void {
  const names = new Set(records.map(record => record.name))
  const subnet = new BlockList()
  const [network = '', prefix = ''] = cidr.split('/')
  subnet.addSubnet(network, Number(prefix))
  const [answer] = mdns.listeners('query')
  mdns.removeAllListeners('query')
  mdns.on('query', (query, from) => {
    if (!subnet.check(from.address)) return
    const questions = query.questions.filter(({ name }) => names.has(name.toLowerCase()))
    if (questions.length > 0) answer?.({ ...query, questions: questions.slice(0, 4) }, from)
  })
}

/** Lets nothing out but the records that may be announced, and not too often. */
function holdResponses(mdns: Mdns, records: readonly AnnouncedRecord[]): void {
  const keyOf = ({ name, type, data }: AnnouncedRecord) => JSON.stringify([name, type, data])
  const allowed = new Set(records.map(keyOf))
  const held = (all: readonly AnnouncedRecord[] = []) => {
    const unique = new Map(all.map(record => [keyOf(record), record]))
    return [...unique].flatMap(([key, record]) => (allowed.has(key) ? [record] : []))
  }
  const maySend = perSecond(SENT)
  const respond = mdns.respond.bind(mdns)
  mdns.respond = (message, done) => {
    const outgoing = 'answers' in message ? message : { answers: message }
    const answers = held(outgoing.answers)
    const goodbye = answers.some(record => record.ttl === 0)
    if (answers.length > 0 && (goodbye || maySend()))
      respond({ answers, additionals: held(outgoing.additionals) }, done)
    else done?.()
  }
}

/** @returns a function that is true at most `most` times a second */
function perSecond(most: number): () => boolean {
  let second = 0
  let count = 0
  return () => {
    const now = Math.floor(performance.now() / 1000)
    if (now !== second) count = 0
    second = now
    return ++count <= most
  }
}
