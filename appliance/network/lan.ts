/**
 * Which of this machine's addresses are on its LAN, and who is beside them. docs/lan.md, "What is LAN".
 *
 * Nothing that a machine on the wire can send makes it more: an advertised IPv6 prefix counts only when a person named it,
 * and a leased IPv4 subnet only as far as it is private.
 */
import type { NetworkInterfaceInfo } from 'node:os'
import {
  type Address,
  contains,
  intersection,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetOf,
} from './addresses.ts'
import type { LanInterface } from './config.ts'

/** What `os.networkInterfaces()` gives. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** An address of this machine that is on its LAN. */
export interface LanAddress {
  interface: string
  address: Address
  /** To listen on, with the scope of a link-local address. */
  text: string
  /** Whoever has an address in one of them is beside it. */
  subnets: readonly Subnet[]
}

/** Addresses that no router of the internet forwards (RFC 1918, RFC 3927). */
export const PRIVATE_SUBNETS: readonly Subnet[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
].map(text => parseSubnet(text)!)

/** Addresses that no router at all forwards (RFC 4291 §2.5.6). */
export const LINK_LOCAL: Subnet = parseSubnet('fe80::/10')!

/** The addresses of the configured interfaces, as they are now, that are LAN. */
export function lanAddresses(configured: readonly LanInterface[], interfaces: Interfaces): LanAddress[] {
  return configured.flatMap(({ name, subnets: named }) =>
    addressesOf(name, interfaces).flatMap(own => {
      const subnets = subnetsBeside(own, named)
      return subnets.length > 0 ? [{ ...own, subnets }] : []
    }),
  )
}

/**
 * The addresses for a host that was given on the command line of a development machine. An address stands for itself, with
 * the subnet of its interface, whichever that is. `0.0.0.0` and `::` stand for all that are LAN (and loopback) of the interfaces that
 * are no tunnels; tunnels are those without a hardware address.
 */
export function addressesAt(hosts: readonly string[], interfaces: Interfaces): LanAddress[] {
  const all = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos.some(({ internal, mac }) => internal || mac !== '00:00:00:00:00:00')
      ? addressesOf(name, interfaces)
      : [],
  )
  return hosts.flatMap(host => {
    const wanted = parseAddress(host)
    if (!wanted) return []
    if (wanted.value === 0n)
      return all.flatMap(own => {
        const subnets = own.internal ? [own.subnet] : subnetsBeside(own, [])
        return subnets.length > 0 && (wanted.family === 6 || own.address.family === 4)
          ? [{ ...own, subnets }]
          : []
      })
    const found = Object.keys(interfaces)
      .flatMap(name => addressesOf(name, interfaces))
      .find(({ address }) => isSame(address, wanted))
    return found ? [{ ...found, subnets: [isLinkLocal(wanted) ? LINK_LOCAL : found.subnet] }] : []
  })
}

/** An address of an interface, with the subnet that the interface says it has. */
interface OwnAddress extends Omit<LanAddress, 'subnets'> {
  subnet: Subnet
  internal: boolean
}

function addressesOf(name: string, interfaces: Interfaces): OwnAddress[] {
  return (interfaces[name] ?? []).flatMap(({ address: text, cidr, internal }) => {
    const plain = parseAddress(text)
    const length = /\/(\d{1,3})$/.exec(cidr ?? '')?.[1]
    const subnet = plain && subnetOf(plain, Number(length))
    if (!plain || !subnet) return []
    const local = isLinkLocal(plain)
    const address = { ...plain, scope: local ? name : '' }
    return [{ interface: name, address, text: local ? `${text}%${name}` : text, subnet, internal }]
  })
}

function subnetsBeside({ address, subnet }: OwnAddress, named: readonly Subnet[]): Subnet[] {
  if (isLinkLocal(address)) return [LINK_LOCAL]
  const ofFamily = named.filter(({ family }) => family === address.family)
  if (ofFamily.length > 0 || address.family === 6)
    return ofFamily.filter(candidate => contains(candidate, address))
  return PRIVATE_SUBNETS.filter(range => contains(range, address)).flatMap(
    range => intersection(range, subnet) ?? [],
  )
}

function isLinkLocal(address: Address): boolean {
  return contains(LINK_LOCAL, address)
}

function isSame(own: Address, wanted: Address): boolean {
  return (
    own.family === wanted.family &&
    own.value === wanted.value &&
    (wanted.scope === '' || own.scope === wanted.scope)
  )
}
