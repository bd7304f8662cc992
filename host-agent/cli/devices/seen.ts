/** The devices that this machine sees, whether it is enrolled with them or not. */
import { profileDirectory } from '../../client/profile.ts'
import { readSettings } from '../../client/settings.ts'
import { type AgentDevice, agentSocket, devicesOfAgent } from '../../client/tunnel.ts'
import { listDongles } from '../../client/usb/ports.ts'

/** A device as it says of itself; nothing is proved. */
export interface SeenDevice {
  serial: string | null
  /** Where it can be reached. */
  address: string
  state: string
  problem?: string
  hint?: string
}

/** Devices as the agent sees them, or where none runs, as USB and the LAN show them. */
export async function seenDevices(env: NodeJS.ProcessEnv): Promise<SeenDevice[]> {
  const held = await devicesOfAgent(agentSocket(env))
  if (held) return held.map(asSeen)
  const { usb, browse } = await readSettings(profileDirectory(env))
  const dongles = await listDongles(usb).catch(() => [])
  const plugged = dongles.map(({ path, serial }) => ({
    serial,
    address: `serial:${path}`,
    state: 'plugged in',
    hint: 'start claviger agent to see how it is',
  }))
  return browse ? [...plugged, ...(await announced())] : plugged
}

function asSeen({ path, serial, state, problem, hint }: AgentDevice): SeenDevice {
  const isAnnounced = path.startsWith('https:')
  return {
    serial,
    address: isAnnounced ? path : `serial:${path}`,
    state: state ?? (isAnnounced ? 'announced' : 'silent'),
    ...(problem ? { problem } : {}),
    ...(hint ? { hint } : {}),
  }
}

async function announced(): Promise<SeenDevice[]> {
  const { browse, lanAddresses } = await import('../../client/discovery.ts')
  const found = await browse()
  const serials = [...new Set(found.map(({ serial }) => serial))]
  return serials.flatMap(serial =>
    lanAddresses(serial, found).map(address => ({ serial, address, state: 'announced' })),
  )
}
