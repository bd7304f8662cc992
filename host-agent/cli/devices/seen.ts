/** The devices that this machine sees, whether it is enrolled with them or not. */
import { profileDirectory } from '../../client/profile.ts'
import { readSettings } from '../../client/settings.ts'
import { agentSocket, devicesOfAgent } from '../../client/tunnel.ts'
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

/** Dongles as the agent sees them, or where none runs, as USB does. */
export async function seenDevices(env: NodeJS.ProcessEnv): Promise<SeenDevice[]> {
  const held = await devicesOfAgent(agentSocket(env))
  if (held)
    return held.map(({ path, serial, state, problem, hint }) => ({
      serial,
      address: `serial:${path}`,
      state: state ?? 'silent',
      ...(problem ? { problem } : {}),
      ...(hint ? { hint } : {}),
    }))
  const { usb } = await readSettings(profileDirectory(env))
  const dongles = await listDongles(usb).catch(() => [])
  return dongles.map(({ path, serial }) => ({
    serial,
    address: `serial:${path}`,
    state: 'plugged in',
    hint: 'start claviger agent to see how it is',
  }))
}
