/**
 * What announcements on the LAN say (DNS-SD, RFC 6763): read from packets that anybody may have sent, and kept within bounds.
 * docs/decisions/discovery.md.
 */
import { type BlockList, isIP } from 'node:net'
import { isDeviceSerial } from '../../protocol/identity/device-serial.ts'

/** Name of our service. */
export const SERVICE = '_claviger._tcp.local'

/** How much is kept. */
const MOST_DEVICES = 64
const MOST_PLACES = 4
const MOST_ADDRESSES = 8
/** Who was not heard of for so long makes room for others, ms: a browser asks each minute. */
const FORGET_MS = 180_000

/** A device that somebody announced. Nothing of it is proved. */
export interface FoundDevice {
  serial: string
  /** IP addresses, each in a subnet of this machine. */
  addresses: string[]
  port: number
}

/**
 * Where a pinned device may be, as addresses for `openWire`.
 *
 * @param serial - `deviceSerial` of the pin
 * @returns `https://host:port`, at most 8: each one that is wrong costs the time of a connection
 */
export function lanAddresses(serial: string, found: readonly FoundDevice[]): string[] {
  const addresses = found
    .filter(device => device.serial === serial)
    .flatMap(({ addresses, port }) =>
      addresses.map(address => `https://${isIP(address) === 6 ? `[${address}]` : address}:${port}`),
    )
  return [...new Set(addresses)].slice(0, MOST_ADDRESSES)
}

/** A response as `dns-packet` decodes it: the texts in it are anybody's. */
export interface ResponsePacket {
  readonly answers?: readonly ResourceRecord[]
  readonly additionals?: readonly ResourceRecord[]
}

interface ResourceRecord {
  readonly name: string
  readonly type: string
  readonly data?: unknown
}

/**
 * Reads the devices that a response announces: for each instance of our service the serial number of its TXT, the port of its
 * SRV, and the addresses of that one's target. Whatever else is in it, and what does not fit together, is skipped.
 *
 * @param subnets - addresses outside of them are skipped: a device answers its own subnets only
 */
export function readAnnouncement(packet: ResponsePacket, subnets: BlockList): FoundDevice[] {
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
  const of = (type: string) => {
    const byName = new Map<string, unknown[]>()
    for (const record of records) {
      if (record.type !== type) continue
      const name = record.name.toLowerCase()
      const same = byName.get(name)
      if (same) same.push(record.data)
      else byName.set(name, [record.data])
    }
    return byName
  }
  const [texts, services, ipv4, ipv6] = [of('TXT'), of('SRV'), of('A'), of('AAAA')]
  const found: FoundDevice[] = []
  for (const [instance, [service]] of services) {
    if (!instance.endsWith(`.${SERVICE}`)) continue
    const serial = serialIn(texts.get(instance)?.[0])
    const { port, target } = (service ?? {}) as { port?: unknown; target?: unknown }
    if (serial === null || typeof target !== 'string' || !isPort(port)) continue
    const host = target.toLowerCase()
    const addresses = [...(ipv4.get(host) ?? []), ...(ipv6.get(host) ?? [])]
      .filter(address => typeof address === 'string')
      .filter(address => isNear(address, subnets))
    if (addresses.length > 0)
      found.push({ serial, addresses: [...new Set(addresses)].slice(0, MOST_PLACES), port })
  }
  return found
}

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536
}

/** A link-local IPv6 address says nothing without its interface. */
function isNear(address: string, subnets: BlockList): boolean {
  const family = isIP(address)
  if (family === 0 || address.includes('%') || /^fe[89ab]/i.test(address)) return false
  return subnets.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** @param data - of a TXT record: one text or several, each `key=value` (RFC 6763 §6) */
function serialIn(data: unknown): string | null {
  for (const item of Array.isArray(data) ? data.slice(0, 8) : [data]) {
    const text = Buffer.isBuffer(item) && item.length <= 32 ? item.toString('latin1') : ''
    const serial = /^id=(.*)$/i.exec(text)?.[1]
    if (serial !== undefined) return isDeviceSerial(serial) ? serial : null
  }
  return null
}

/**
 * What was found until now: at most 64 entries, of one serial number at most 4 ports and 4 addresses at each. Who comes first stays
 * as long as it is heard of, so that nobody is pushed out.
 */
export class Finds {
  /** By serial number and port: when each address was heard of last. */
  readonly #entries = new Map<string, { serial: string; port: number; heard: Map<string, number> }>()
  readonly #wanted: ReadonlySet<string> | null

  /** @param serials - the only ones that are kept, if there are */
  constructor(serials?: readonly string[]) {
    this.#wanted = serials ? new Set(serials) : null
  }

  /**
   * Takes an announcement.
   *
   * @param now - ms of a clock that only goes forward
   * @returns the device as it is known now, or `null` when nothing is new
   */
  add({ serial, addresses, port }: FoundDevice, now: number): FoundDevice | null {
    if (this.#wanted && !this.#wanted.has(serial)) return null
    const key = `${serial}:${port}`
    if (!this.#entries.has(key) && !this.#hasRoom(serial)) this.#forget(now)
    if (!this.#entries.has(key) && !this.#hasRoom(serial)) return null
    const entry = this.#entries.get(key) ?? { serial, port, heard: new Map<string, number>() }
    const { heard } = entry
    const news = addresses.filter(address => !heard.has(address))
    for (const address of addresses) if (heard.has(address)) heard.set(address, now)
    if (news.length > 0 && heard.size >= MOST_PLACES) forgetOld(heard, now)
    const taken = news.slice(0, MOST_PLACES - heard.size)
    for (const address of taken) heard.set(address, now)
    this.#entries.set(key, entry)
    return taken.length > 0 ? describe(entry) : null
  }

  /** Somebody who makes up many ports for one device takes the places of no other. */
  #hasRoom(serial: string): boolean {
    const ports = [...this.#entries.values()].filter(entry => entry.serial === serial).length
    return ports < MOST_PLACES && this.#entries.size < MOST_DEVICES
  }

  #forget(now: number): void {
    for (const [key, { heard }] of this.#entries) {
      forgetOld(heard, now)
      if (heard.size === 0) this.#entries.delete(key)
    }
  }

  /** In the order in which they were found. */
  all(): FoundDevice[] {
    return [...this.#entries.values()].map(describe)
  }
}

function forgetOld(heard: Map<string, number>, now: number): void {
  for (const [address, at] of heard) if (now - at > FORGET_MS) heard.delete(address)
}

function describe({
  serial,
  port,
  heard,
}: {
  serial: string
  port: number
  heard: Map<string, number>
}): FoundDevice {
  return { serial, addresses: [...heard.keys()], port }
}
