/** IP addresses and subnets as numbers, so that "is it in there" is arithmetic. Text forms: RFC 4291 §2.2, RFC 4007 §11. */
import { isIPv4, isIPv6 } from 'node:net'

/** An address. An IPv4 address that came as `::ffff:a.b.c.d` is an IPv4 address. */
export interface Address {
  family: 4 | 6
  value: bigint
  /** Interface that a link-local address belongs to; empty for none. */
  scope: string
}

/** All addresses that begin with the same `length` bits. */
export interface Subnet {
  family: 4 | 6
  /** The bits after the first `length` are 0. */
  base: bigint
  length: number
}

const BITS = { 4: 32, 6: 128 } as const
const MAPPED = 0xffffn

/** @returns the address, or `null` for what is none */
export function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return { family: 4, value: ipv4(text), scope: '' }
  if (!isIPv6(text)) return null
  const [plain = '', scope = ''] = text.split('%')
  const value = ipv6(plain)
  if (value >> 32n === MAPPED) return { family: 4, value: value & 0xffffffffn, scope: '' }
  return { family: 6, value, scope }
}

/**
 * @param text `192.168.1.0/24`, or an address alone for the subnet of that one address
 * @returns the subnet, or `null` for what is none, and for bits after the prefix
 */
export function parseSubnet(text: string): Subnet | null {
  const [, plain = '', length] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = parseAddress(plain)
  if (!address) return null
  const subnet = subnetOf(address, length === undefined ? BITS[address.family] : Number(length))
  return subnet?.base === address.value ? subnet : null
}

/** The subnet of this length that an address is in; `null` for an impossible length. */
export function subnetOf({ family, value }: Address, length: number): Subnet | null {
  const rest = BITS[family] - length
  if (!(length >= 0 && rest >= 0)) return null
  return { family, base: (value >> BigInt(rest)) << BigInt(rest), length }
}

export function contains(subnet: Subnet, { family, value }: Address): boolean {
  const rest = BigInt(BITS[subnet.family] - subnet.length)
  return family === subnet.family && value >> rest === subnet.base >> rest
}

/** What two subnets have in common: the longer one, where it is inside the other. */
export function intersection(a: Subnet, b: Subnet): Subnet | null {
  const [wide, narrow] = a.length <= b.length ? [a, b] : [b, a]
  return contains(wide, { family: narrow.family, value: narrow.base, scope: '' }) ? narrow : null
}

/** The usual text, without a scope; IPv6 in lower case with the first longest run of zeros shortened (RFC 5952). */
export function formatAddress({ family, value }: Pick<Address, 'family' | 'value'>): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  const runs = groups.map((_, i) => {
    const end = groups.findIndex((group, j) => j >= i && group !== '0')
    return (end < 0 ? 8 : end) - i
  })
  const longest = Math.max(...runs)
  if (longest < 2) return groups.join(':')
  const start = runs.indexOf(longest)
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`
}

export function formatSubnet({ family, base, length }: Subnet): string {
  return `${formatAddress({ family, value: base })}/${length}`
}

function ipv4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function ipv6(text: string): bigint {
  const groups = (part: string): bigint[] =>
    part === ''
      ? []
      : part.split(':').flatMap(group => (group.includes('.') ? halves(ipv4(group)) : BigInt(`0x${group}`)))
  const [head = '', tail] = text.split('::')
  const before = groups(head)
  const after = groups(tail ?? '')
  const zeros = Array<bigint>(8 - before.length - after.length).fill(0n)
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n)
}

const halves = (value: bigint): bigint[] => [value >> 16n, value & 0xffffn]
