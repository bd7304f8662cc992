/**
 * The packet filter that belongs to a `network.json`: text for `nft -f`. docs/lan.md, "The firewall".
 *
 * Two tables, so that each holds without the other: what may pass at all, and how far an answer can go. Loading the text
 * again replaces both at once.
 */
import { formatSubnet, type Subnet } from './addresses.ts'
import type { LanInterface, NetworkConfig } from './config.ts'
import { PRIVATE_SUBNETS } from './lan.ts'

/** Table of the rules that drop. */
export const FILTER_TABLE = 'claviger'
/** Table of the rules that keep answers on the wire. */
export const HOPS_TABLE = 'claviger_hops'

/** The named set of an interface's leased subnets. systemd-networkd fills it (`NFTSet=`), and knows no hyphens in names. */
export function leasedSet(name: string): string {
  return `leased_${name.replaceAll('-', '_')}`
}

/** Announcements are made over IPv4 (appliance/gate/announce.ts). */
const MDNS = 'ip daddr 224.0.0.251 udp dport 5353'

/** New connections of one address, and of all together; what is more is dropped, and asks again by itself. */
const SYN_OF_ONE = 'limit rate over 30/second burst 100 packets'
const SYN_OF_ALL = 'limit rate over 200/second burst 400 packets'

/**
 * The rules.
 *
 * @param leased subnets that each interface has besides those that the configuration names, by its name; what is not private is
 *   left out by the rules themselves
 */
export function firewallRules(
  config: NetworkConfig,
  leased: ReadonlyMap<string, readonly Subnet[]> = new Map(),
): string {
  const sections = [
    ...['# Made from network.json; load it with: nft -f FILE', ''],
    ...replaced(FILTER_TABLE, filterTable(config, leased)),
    ...replaced(HOPS_TABLE, hopsTable(config)),
  ]
  return `${sections.join('\n')}\n`
}

/** Creating a table that exists does nothing, deleting one that does not is an error: so first the one, then the other. */
function replaced(table: string, body: string[]): string[] {
  const name = `table inet ${table}`
  return [`${name}`, `delete ${name}`, `${name} {`, ...body.map(line => (line ? `  ${line}` : '')), '}', '']
}

function filterTable(config: NetworkConfig, leased: ReadonlyMap<string, readonly Subnet[]>): string[] {
  const { interfaces } = config
  return [
    ...interfaces.filter(isLeased).flatMap(({ name }) => {
      const subnets = (leased.get(name) ?? []).filter(({ family }) => family === 4)
      const elements = subnets.length > 0 ? [`  elements = { ${subnets.map(formatSubnet).join(', ')} }`] : []
      return [
        `set ${leasedSet(name)} {`,
        '  type ipv4_addr',
        '  flags interval',
        '  auto-merge',
        ...elements,
        '}',
      ]
    }),
    ...[4, 6].flatMap(family => [
      `set knocking${family} {`,
      `  type ipv${family}_addr`,
      '  size 4096',
      '  flags dynamic, timeout',
      '  timeout 1m',
      '}',
    ]),
    '',
    ...chain('arriving', 'input', 'filter', 'drop', arriving(config)),
    ...chain('passing', 'forward', 'filter', 'drop', []),
    ...chain('leaving', 'output', 'filter', 'drop', leaving(config)),
    'chain knock {',
    `  update @knocking4 { ip saddr ${SYN_OF_ONE} } drop`,
    `  update @knocking6 { ip6 saddr ${SYN_OF_ONE} } drop`,
    `  ${SYN_OF_ALL} drop`,
    '  accept',
    '}',
  ]
}

function arriving({ interfaces, port, announce, dhcp }: NetworkConfig): string[] {
  const names = quoted(interfaces)
  const ethernet = quoted(interfaces.filter(isEthernet))
  const service = `tcp dport ${port} tcp flags & (fin | syn | rst | ack) == syn ct state new jump knock`
  const echo = 'limit rate 5/second burst 10 packets accept'
  return [
    'iif lo accept',
    'ct state invalid drop',
    `iifname ${names} ct state established accept`,
    ...interfaces.flatMap(lan =>
      sourcesOf(lan).flatMap(source => {
        const from = `iifname "${lan.name}" ${source}`
        const type = source.startsWith('ip6') ? 'icmpv6' : 'icmp'
        return [
          `${from} ${service}`,
          `${from} ${type} type echo-request ${echo}`,
          ...(announce && type === 'icmp' ? [`${from} ${MDNS} accept`] : []),
        ]
      }),
    ),
    // No advertisement of a router: what the device knows of its networks, a person told it.
    ...(ethernet
      ? [
          `iifname ${ethernet} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept`,
          `iifname ${ethernet} icmpv6 type mld-listener-query ip6 saddr fe80::/10 accept`,
          ...(dhcp ? [`iifname ${ethernet} udp sport 67 udp dport 68 accept`] : []),
          ...tunnels(interfaces).map(
            ({ listenPort }) => `iifname ${ethernet} udp dport ${listenPort} accept`,
          ),
        ]
      : []),
  ]
}

function leaving({ interfaces, announce, ntp, dhcp }: NetworkConfig): string[] {
  const names = quoted(interfaces)
  const ethernet = quoted(interfaces.filter(isEthernet))
  const servers = (family: 'ip' | 'ip6') =>
    ntp
      .filter(address => address.includes(':') === (family === 'ip6'))
      .map(address => `${family} daddr ${address}`)
  return [
    'oif lo accept',
    'ct state invalid drop',
    `oifname ${names} ct state established accept`,
    ...(announce ? [`oifname ${names} ${MDNS} accept`] : []),
    ...[...servers('ip'), ...servers('ip6')].map(to => `oifname ${names} ${to} udp dport 123 accept`),
    ...(ethernet
      ? [
          `oifname ${ethernet} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept`,
          ...(dhcp ? [`oifname ${ethernet} udp sport 68 udp dport 67 accept`] : []),
          ...tunnels(interfaces).map(
            ({ listenPort }) => `oifname ${ethernet} udp sport ${listenPort} accept`,
          ),
        ]
      : []),
  ]
}

/**
 * Whatever leaves has one hop to go. Not so: neighbour discovery, which must say 255 to be believed (RFC 4861 §7.1), and which no
 * router forwards; mDNS likewise (RFC 6762 §11); a tunnel's own packets, whose contents have one hop to go.
 */
function hopsTable({ interfaces, announce }: NetworkConfig): string[] {
  return chain('leaving', 'output', 'mangle', 'accept', [
    'oif lo accept',
    'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
    ...(announce ? [`${MDNS} accept`] : []),
    ...tunnels(interfaces).map(({ listenPort }) => `udp sport ${listenPort} accept`),
    'ip ttl set 1',
    'ip6 hoplimit set 1',
  ])
}

/** What a peer beside this interface can have as its source address. */
function sourcesOf(lan: LanInterface): string[] {
  const named = (family: 4 | 6) => lan.subnets.filter(subnet => subnet.family === family).map(formatSubnet)
  const ranges = PRIVATE_SUBNETS.map(formatSubnet).join(', ')
  return [
    isLeased(lan)
      ? `ip saddr @${leasedSet(lan.name)} ip saddr { ${ranges} }`
      : `ip saddr { ${named(4).join(', ')} }`,
    `ip6 saddr { ${['fe80::/10', ...named(6)].join(', ')} }`,
  ]
}

function chain(name: string, hook: string, priority: string, policy: string, rules: string[]): string[] {
  return [
    `chain ${name} {`,
    `  type filter hook ${hook} priority ${priority}; policy ${policy};`,
    ...rules.map(rule => `  ${rule}`),
    '}',
  ]
}

const isLeased = ({ subnets }: LanInterface) => !subnets.some(({ family }) => family === 4)
const isEthernet = ({ kind }: LanInterface) => kind === 'ethernet'
const tunnels = (interfaces: readonly LanInterface[]) =>
  interfaces.filter(({ listenPort }) => listenPort !== null)

/** `{ "eth0", "wg0" }`; empty for none. */
function quoted(interfaces: readonly LanInterface[]): string {
  return interfaces.length > 0 ? `{ ${interfaces.map(({ name }) => `"${name}"`).join(', ')} }` : ''
}
