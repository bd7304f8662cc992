/**
 * Opens addresses on this machine: a dongle by its serial number, through the agent where one runs, else by its port;
 * everything else as {@link openWire} does.
 */
import { isDeviceSerial } from '../../protocol/identity/device-serial.ts'
import { ConnectionError } from './errors.ts'
import { profileDirectory } from './profile.ts'
import { agentSocket, devicesOfAgent, tunnelWire } from './tunnel.ts'
import type { DonglePort } from './usb/ports.ts'
import { openWire, type Wire } from './wire.ts'

/**
 * Opener of addresses for a user's programs; `usb:` alone stands for the only dongle that is plugged in.
 *
 * @param env - `process.env`: where the agent is
 */
export function localWires(env: NodeJS.ProcessEnv): (address: string) => Promise<Wire> {
  return async address => {
    if (address.startsWith('usb:')) return usbWire(address.slice('usb:'.length), env)
    if (address.startsWith('serial:')) {
      const path = address.slice('serial:'.length)
      const held = await devicesOfAgent(agentSocket(env)).catch(() => null)
      if (held?.some(device => device.path === path)) return tunnelWire(agentSocket(env), { path }, address)
    }
    return openWire(address)
  }
}

async function usbWire(serial: string, env: NodeJS.ProcessEnv): Promise<Wire> {
  const address = `usb:${serial}`
  if (serial !== '' && !isDeviceSerial(serial))
    throw new ConnectionError('unreachable', `${address} is not an address`, {
      hint: 'write usb: for the only dongle that is plugged in, or usb: and its serial number of 16 digits',
    })
  const socket = agentSocket(env)
  if (await devicesOfAgent(socket)) return tunnelWire(socket, serial ? { serial } : 'only', address)
  // What opens a port is loaded by those who do, and most have an agent for that.
  const [{ readSettings }, { listDongles }] = await Promise.all([
    import('./settings.ts'),
    import('./usb/ports.ts'),
  ])
  const { usb } = await readSettings(profileDirectory(env))
  return wireByPort(address, async () => choose(await listDongles(usb), serial))
}

/** A wire whose port is looked for at each connection: a dongle may be plugged in elsewhere. */
function wireByPort(address: string, find: () => Promise<string>): Wire {
  let current: { path: string; wire: Wire } | undefined
  return {
    address,
    open: async () => {
      const [path, { serialWire }] = await Promise.all([find(), import('./serial-wire.ts')])
      if (current?.path !== path) {
        await current?.wire.close()
        current = { path, wire: serialWire(path) }
      }
      return current.wire.open()
    },
    greeting: async () => (await current?.wire.greeting?.()) ?? null,
    close: async () => current?.wire.close(),
  }
}

/** @throws ConnectionError `unreachable` */
function choose(dongles: readonly DonglePort[], serial: string): string {
  const fitting = serial === '' ? dongles : dongles.filter(dongle => dongle.serial === serial)
  if (fitting.length === 1) return fitting[0]!.path
  if (fitting.length > 1)
    throw new ConnectionError('unreachable', 'several dongles are plugged in', {
      hint: `name one: ${fitting.map(dongle => `usb:${dongle.serial}`).join(' or ')}`,
    })
  throw new ConnectionError(
    'unreachable',
    serial === '' ? 'no dongle is plugged in' : `the dongle ${serial} is not plugged in`,
    { hint: 'plug it in, and wait half a minute until it has started; claviger status shows what is seen' },
  )
}
