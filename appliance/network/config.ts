/** `network.json`: which interfaces of the device are its LAN, and who may come from where. docs/lan.md. */
import { readFile } from 'node:fs/promises'
import {
  formatAddress,
  formatSubnet,
  intersection,
  parseAddress,
  parseSubnet,
  type Subnet,
} from './addresses.ts'

/** An interface that is LAN. */
export interface LanInterface {
  name: string
  kind: 'ethernet' | 'wireguard'
  /** Subnets that a person named. They take the place of what the interface's own addresses say. */
  subnets: readonly Subnet[]
  /** UDP port of the tunnel's own packets; only for `wireguard`. */
  listenPort: number | null
}

/** What the file says. */
export interface NetworkConfig {
  interfaces: readonly LanInterface[]
  /** TCP port of the service. */
  port: number
  /** Whether the device is announced by mDNS. */
  announce: boolean
  /** Agents that may come from these subnets only, by `namespace/name`. */
  agents: ReadonlyMap<string, readonly Subnet[]>
  /** Addresses of time servers. */
  ntp: readonly string[]
  /** Whether addresses come by DHCP. */
  dhcp: boolean
}

export const DEFAULT_PORT = 8443
const DEFAULT_LISTEN_PORT = 51_820
const MAX_FILE = 65_536
const MAX_INTERFACES = 16
const MAX_SUBNETS = 16
const MAX_AGENTS = 1024
const MAX_NTP = 8

/** What Linux takes for a name, less the characters that a rule of the firewall would have to quote. */
const INTERFACE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/
const AGENT = /^(?:([a-z0-9][a-z0-9-]{0,31})\/)?([a-z0-9][a-z0-9.-]{0,31})$/
/** A subnet that is named may not be larger: what is that large is not one wire. */
const SHORTEST = { 4: 8, 6: 48 } as const
const NEVER = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8'].map(
  text => parseSubnet(text)!,
)

/** A file that says something that cannot be. The message names the place. */
export class NetworkConfigError extends Error {}

/** @throws NetworkConfigError that says what is wrong with the file */
export async function readNetworkConfig(path: string): Promise<NetworkConfig> {
  const text = await readFile(path, 'utf8').catch((error: Error) => fail(`cannot be read: ${error.message}`))
  return parseNetworkConfig(text)
}

/** Parses `network.json`; see {@link readNetworkConfig}. */
export function parseNetworkConfig(text: string): NetworkConfig {
  const file = record('the file', parseJson(text), [
    'interfaces',
    'port',
    'announce',
    'agents',
    'ntp',
    'dhcp',
  ])
  const interfaces = list('"interfaces"', file.interfaces, 1, MAX_INTERFACES).map(readInterface)
  unique(
    'an interface',
    interfaces.map(({ name }) => name),
  )
  const { ntp = [], agents = {}, announce = false, dhcp = true } = file
  return {
    interfaces,
    port: port('"port"', file.port ?? DEFAULT_PORT),
    announce: flag('"announce"', announce),
    agents: readAgents(agents),
    ntp: list('"ntp"', ntp, 0, MAX_NTP).map(readServer),
    dhcp: flag('"dhcp"', dhcp),
  }
}

function readInterface(value: unknown, index: number): LanInterface {
  const at = `interface ${index + 1}`
  const {
    name,
    kind = 'ethernet',
    subnets = [],
    listenPort,
  } = record(at, value, ['name', 'kind', 'subnets', 'listenPort'])
  if (typeof name !== 'string' || !INTERFACE.test(name))
    fail(`${at}: "name" must be the name of a network interface, such as "eth0"`)
  if (name === 'lo') fail(`${at}: "lo" is not a LAN`)
  if (kind !== 'ethernet' && kind !== 'wireguard') fail(`${at}: "kind" must be "ethernet" or "wireguard"`)
  if (listenPort !== undefined && kind !== 'wireguard') fail(`${at}: only a "wireguard" has a "listenPort"`)
  const udp = kind === 'wireguard' ? port(`${at}: "listenPort"`, listenPort ?? DEFAULT_LISTEN_PORT) : null
  const named = list(`${at}: "subnets"`, subnets, 0, MAX_SUBNETS).map(text => readLanSubnet(at, text))
  return { name, kind, subnets: named, listenPort: udp }
}

function readLanSubnet(at: string, value: unknown): Subnet {
  const subnet = readSubnet(`${at}: "subnets"`, value)
  if (subnet.length < SHORTEST[subnet.family])
    fail(`${at}: ${value} is too large for a LAN; name at least ${SHORTEST[subnet.family]} bits`)
  // Link-local addresses are LAN anyway, and the others belong to no wire.
  if (NEVER.some(other => intersection(subnet, other))) fail(`${at}: ${value} cannot be the subnet of a LAN`)
  return subnet
}

function readAgents(value: unknown): Map<string, Subnet[]> {
  const entries = Object.entries(record('"agents"', value, null))
  if (entries.length > MAX_AGENTS) fail(`"agents" has more than ${MAX_AGENTS} entries`)
  const agents = entries.map(([key, subnets]): [string, Subnet[]] => {
    const [found, namespace = 'default', name] = AGENT.exec(key) ?? []
    if (!found) fail(`"agents": ${JSON.stringify(key)} is not the name of an agent, or "namespace/name"`)
    const at = `agent ${key}`
    return [`${namespace}/${name}`, list(at, subnets, 1, MAX_SUBNETS).map(text => readSubnet(at, text))]
  })
  unique(
    'an agent',
    agents.map(([key]) => key),
  )
  return new Map(agents)
}

function readSubnet(at: string, value: unknown): Subnet {
  const subnet = typeof value === 'string' ? parseSubnet(value) : null
  if (!subnet)
    fail(
      `${at}: ${JSON.stringify(value)} is not a subnet, such as "192.168.1.0/24" with zeros after the prefix`,
    )
  if (typeof value === 'string' && value.includes('/') && formatSubnet(subnet) !== value.toLowerCase())
    fail(`${at}: write ${formatSubnet(subnet)} for ${value}`)
  return subnet
}

function readServer(value: unknown): string {
  const address = typeof value === 'string' ? parseAddress(value) : null
  // The device asks no name server.
  if (!address || address.scope) fail(`"ntp": ${JSON.stringify(value)} is not an IP address`)
  return formatAddress(address)
}

function port(at: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65_535)
    fail(`${at} must be a port, 1 to 65535`)
  return value as number
}

function flag(at: string, value: unknown): boolean {
  if (typeof value !== 'boolean') fail(`${at} must be true or false`)
  return value
}

function list(at: string, value: unknown, least: number, most: number): unknown[] {
  if (!Array.isArray(value) || value.length < least || value.length > most)
    fail(`${at} must be a list of ${least} to ${most}`)
  return value
}

/** @param keys the only ones that it may have; `null` for any */
function record(at: string, value: unknown, keys: readonly string[] | null): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(`${at} must be a JSON object`)
  const unknown = Object.keys(value).find(key => keys !== null && !keys.includes(key))
  if (unknown !== undefined) fail(`${at}: there is no ${JSON.stringify(unknown)}`)
  return value as Record<string, unknown>
}

function unique(what: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) fail(`${what} is listed twice: ${twice}`)
}

function parseJson(text: string): unknown {
  if (text.length > MAX_FILE) fail('the file is larger than 64 KiB')
  try {
    return JSON.parse(text)
  } catch {
    return fail('the file is not JSON')
  }
}

function fail(message: string): never {
  throw new NetworkConfigError(`network.json: ${message}`)
}
