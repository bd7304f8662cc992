/** A keystore with two slots on a disk in memory, for the tests of the whole. */
import type { NewFactor } from '../../appliance/keeper/keystore/factors.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import type { NewSlot } from '../../appliance/keeper/keystore/slots.ts'
import { Disk, processOf } from './keystore-disk.ts'
import { floor, typed } from './keystore-factors.ts'

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (state: Uint8Array) => new TextDecoder().decode(state)
export const filled = (byte: number) => new Uint8Array(32).fill(byte)
export const passphrase = (text: string): NewFactor[] => [typed('passphrase', text)]
export const staffFactors = (pin: string, share = 1, device = 2): NewFactor[] => [
  typed('pin', pin),
  { type: 'host-share', output: filled(share) },
  { type: 'device-secret', output: filled(device) },
]
export const ADMIN = passphrase('correct horse')
export const STAFF = staffFactors('2468')
export const adminSlot: NewSlot = { id: 'admin', kind: 'passphrase', factors: ADMIN }
export const staffSlot: NewSlot = { id: 'staff/till-1', kind: 'staff', factors: STAFF }
export const certificate = Uint8Array.of(1, 2, 3)
/** A change to this state, whatever it was. */
export const to = (state: string) => () => bytes(state)
/** A change of slots alone. The copy, because what a change is given and gives is zeroed. */
export const same = (state: Uint8Array) => state.slice()

let boots = 0
/** A keystore as a process sees it that has just been started on this disk. */
export function place(disk: Disk, namespace = 'default') {
  boots += 1
  return { storage: disk.storage(), namespace, floor, processes: processOf(`boot ${boots}`) }
}

/** A disk with generation 2, state `old`, and both slots. */
async function prepared(): Promise<Disk> {
  const disk = new Disk()
  const content = {
    state: bytes('first'),
    slots: [adminSlot, staffSlot],
    public: new Map([['ca', certificate]]),
  }
  const keystore = await Keystore.create(place(disk), content)
  await keystore.update(to('old'))
  await keystore.close()
  return disk.copy()
}
export const base = await prepared()

export async function opened(disk: Disk): Promise<Keystore> {
  const keystore = await Keystore.load(place(disk))
  await keystore.unlock('admin', ADMIN)
  return keystore
}
