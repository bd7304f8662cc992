/**
 * Whether a TCP connection came from the LAN, by its two addresses alone: pure, decided at accept, before TLS.
 * docs/lan.md, "What is LAN".
 */
import { contains, parseAddress, type Subnet } from '../network/addresses.ts'
import { type LanAddress, LINK_LOCAL } from '../network/lan.ts'

/** The two ends of a connection, as a socket tells them. */
export interface Ends {
  localAddress?: string | undefined
  remoteAddress?: string | undefined
}

/**
 * - `lan`: from a subnet of the interface that it came in on;
 * - `elsewhere`: to an address that is not on a LAN (any more), or from one that is not beside it.
 */
export type Origin = 'lan' | 'elsewhere'

/** @param lan the addresses that are LAN now */
export function originOf(
  { localAddress = '', remoteAddress = '' }: Ends,
  lan: readonly LanAddress[],
): Origin {
  const local = parseAddress(localAddress)
  const remote = parseAddress(remoteAddress)
  if (!local || !remote) return 'elsewhere'
  const own = lan.find(
    ({ address }) =>
      address.family === local.family && address.value === local.value && address.scope === local.scope,
  )
  if (!own) return 'elsewhere'
  // The same link-local address can be on every link: it is beside us only on the link of this interface.
  if (contains(LINK_LOCAL, remote) && remote.scope !== own.address.scope) return 'elsewhere'
  return own.subnets.some(subnet => contains(subnet, remote)) ? 'lan' : 'elsewhere'
}

/** Who a certificate says that a caller is. */
export interface Named {
  namespace: string
  name: string
}

/**
 * Whether an agent may come from an address: yes, unless `network.json` names it and other subnets.
 *
 * @param address `undefined` for a caller on the serial line, to which the list does not apply
 */
export function mayComeFrom(
  agents: ReadonlyMap<string, readonly Subnet[]>,
  { namespace, name }: Named,
  address: string | undefined,
): boolean {
  const subnets = agents.get(`${namespace}/${name}`)
  if (!subnets || address === undefined) return true
  const remote = parseAddress(address)
  return remote !== null && subnets.some(subnet => contains(subnet, remote))
}
