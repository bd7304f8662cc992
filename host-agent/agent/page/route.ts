/** The ways from this agent to the device of an enrolment: the dongle that it holds, then the LAN. */
import { fromBase64url } from '../../../protocol/bytes.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { Profile } from '../../client/profile.ts'
import type { AgentDevice } from '../../client/tunnel.ts'
import { openWire, type Wire } from '../../client/wire.ts'
import type { HostAgent } from '../agent.ts'

/** What is used of the agent. */
export type DeviceHolder = Pick<HostAgent, 'list' | 'open'>

/** Address that stands for the dongle that the agent holds. */
export const DONGLE = 'usb:'

/** Serial number of the device that an enrolment is with. */
export function serialOf({ device }: Profile): string {
  return deviceSerial(fromBase64url(device)!)
}

/**
 * Addresses that may lead to the device, best first.
 *
 * @param devices - what the agent sees
 * @throws ConnectionError `unreachable`, with what is wrong with its port where that is known; `device-mismatch`
 */
export function waysTo(profile: Profile, devices: readonly AgentDevice[]): string[] {
  const serial = serialOf(profile)
  const mine = devices.filter(device => device.serial === serial)
  const held = mine.filter(device => !isLan(device.path))
  const isThere = held.some(({ greeting, proved }) => greeting !== null && proved !== false)
  const ways = [
    ...(isThere ? [DONGLE] : []),
    ...profile.addresses.filter(isLan),
    ...mine.map(({ path }) => path).filter(isLan),
  ]
  if (ways.length > 0) return [...new Set(ways)]
  const faulty = held.find(({ problem }) => problem !== undefined)
  throw new ConnectionError(
    faulty?.proved === false ? 'device-mismatch' : 'unreachable',
    faulty?.problem ?? `the device ${serial} does not answer`,
    { hint: faulty?.hint ?? 'plug it in, and wait half a minute until it has started' },
  )
}

const isLan = (address: string) => address.startsWith('https://')

/** Opens an address of {@link waysTo}. */
export async function openWay(address: string, serial: string, holder: DeviceHolder): Promise<Wire> {
  if (address !== DONGLE) return openWire(address)
  return {
    address: `usb:${serial}`,
    open: () => holder.open({ serial }),
    greeting: async () => {
      const devices = await holder.list()
      return devices.find(device => device.serial === serial && !isLan(device.path))?.greeting ?? null
    },
    close: async () => {},
  }
}
