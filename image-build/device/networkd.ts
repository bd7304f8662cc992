/** Files of systemd-networkd, from the configuration of a LAN box: systemd.network(5). */
import { parseAddress, parseSubnet } from '../../appliance/network/addresses.ts'
import type { NetworkConfig } from '../../appliance/network/config.ts'
import { FILTER_TABLE, leasedSet } from '../../appliance/network/firewall.ts'

/** Of a card that says nothing of it: the Pi's own port, addresses by DHCP. */
export const DEFAULT_NETWORK = { interfaces: [{ name: 'eth0' }] }

/**
 * One file for each interface. Tunnels are not set up here.
 *
 * @param addresses fixed addresses by interface, such as `{"eth0": ["192.168.1.5/24"]}`; without one the interface asks by DHCP
 * @throws Error where an address is not one
 */
export function networkFiles(config: NetworkConfig, addresses: unknown): [name: string, contents: string][] {
  const fixed = readAddresses(addresses)
  return config.interfaces
    .filter(({ kind }) => kind === 'ethernet')
    .map(({ name }, i) => {
      const own = fixed.get(name) ?? []
      const dhcp = own.length === 0 && config.dhcp
      const set = `NFTSet=prefix:inet:${FILTER_TABLE}:${leasedSet(name)}`
      const lines = [
        ...['[Match]', `Name=${name}`, ''],
        ...['[Network]', `DHCP=${dhcp ? 'ipv4' : 'no'}`, 'IPv6AcceptRA=no', 'LinkLocalAddressing=ipv6'],
        ...['LLDP=no', 'EmitLLDP=no', 'MulticastDNS=no', 'LLMNR=no', 'DNSDefaultRoute=no', ''],
        // The device reaches nothing behind a router, so it takes no routes, names or times from a lease.
        ...(dhcp
          ? [
              '[DHCPv4]',
              'UseDNS=no',
              'UseNTP=no',
              'UseHostname=no',
              'UseRoutes=no',
              'UseGateway=no',
              'SendHostname=no',
              set,
              '',
            ]
          : []),
        ...own.flatMap(address => ['[Address]', `Address=${address}`, set, '']),
      ]
      return [`${10 + i}-claviger.network`, lines.join('\n')]
    })
}

function readAddresses(value: unknown): Map<string, string[]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('provision.json: "addresses" must be an object')
  return new Map(
    Object.entries(value).map(([name, list]) => {
      if (!Array.isArray(list)) throw new Error(`provision.json: the addresses of ${name} must be a list`)
      return [name, list.map(readAddress)]
    }),
  )
}

/** An address with its prefix: `192.168.1.5/24`. */
function readAddress(value: unknown): string {
  const [, address, length] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(String(value)) ?? []
  const whole = address && parseAddress(address)
  if (!whole || !parseSubnet(`${address.includes(':') ? '::' : '0.0.0.0'}/${length}`))
    throw new Error(`provision.json: ${JSON.stringify(value)} is not an address such as "192.168.1.5/24"`)
  return `${address}/${length}`
}
