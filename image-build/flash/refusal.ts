/** Which disks are not written to, and what is shown of the one that is. */
import { CARD_BYTES } from '../disk/layout.ts'
import { SECTOR } from '../disk/mbr.ts'
import { ImageError } from '../errors.ts'
import type { Disk, Use } from './disk.ts'
import type { Inspection } from './inspect.ts'

/** What the person said besides. */
export interface Allowed {
  /** A disk that cannot be taken out. */
  readonly notRemovable: boolean
  /** A disk that is larger than cards are. */
  readonly large: boolean
}

/** Cards that are sold as 512 GB fit; disks of a server do not. */
const LARGEST_CARD = 512 * 1024 ** 3

/** @throws ImageError that says why this disk is not written to */
export function assertCard({ disk, uses, holdsRoot }: Inspection, allowed: Allowed): void {
  const path = `/dev/${disk.name}`
  const refuse = (message: string, hint: string): never => {
    throw new ImageError(message, { hint })
  }
  if (holdsRoot) refuse(`this machine runs from ${path}`, 'look again which disk the card is')
  const [use] = uses
  if (use) refuse(`${path} is in use: ${usage(use)}`, endOf(uses))
  if (disk.bytes === 0) refuse(`there is no card in ${path}`, 'put it in, and wait a moment')
  if (disk.isReadOnly)
    refuse(
      `${path} is read-only`,
      'look at the small switch on the card or its adapter; a worn card does this, too',
    )
  if (disk.sectorBytes !== SECTOR)
    refuse(`${path} counts in sectors of ${disk.sectorBytes} bytes`, 'use another card reader')
  if (disk.bytes < CARD_BYTES)
    refuse(
      `${path} has ${showSize(disk.bytes)}, and the layout needs ${showSize(CARD_BYTES)}`,
      'a card that is sold as 2 GB or more has room',
    )
  const isCard = disk.isRemovable || disk.bus === 'usb' || disk.bus === 'card'
  if (!isCard && !allowed.notRemovable)
    refuse(
      `${path} is built in, not removable: ${summary(disk)}`,
      'if it is the card all the same, say --not-removable',
    )
  if (disk.bytes > LARGEST_CARD && !allowed.large)
    refuse(`${path} is larger than a card: ${summary(disk)}`, 'if it is the card all the same, say --large')
}

/** One line on a disk: model, bus, size. */
export function summary({ model, bus, bytes }: Disk): string {
  return [model || 'no model', bus, showSize(bytes)].join(', ')
}

/** What would be erased, a line each. */
export function listing(disk: Disk): string[] {
  const width = Math.max(...disk.parts.map(({ name }) => name.length))
  return [
    `/dev/${disk.name}: ${summary(disk)}`,
    ...disk.parts.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${showSize(bytes)}`),
    ...(disk.parts.length === 0 ? ['  no partitions'] : []),
  ]
}

/** As makers of cards count: powers of ten. */
export function showSize(bytes: number): string {
  if (bytes < 1e6) return `${bytes} bytes`
  const [unit, divisor] = bytes >= 1e9 ? ['GB', 1e9] : ['MB', 1e6]
  const size = bytes / divisor
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`
}

function usage({ name, how, by }: Use): string {
  if (how === 'mounted') return `${name} is mounted at ${by}`
  return how === 'swap' ? `${name} is swap` : `${name} is held by ${by}`
}

/** How a person ends all of the uses. */
function endOf(uses: readonly Use[]): string {
  const commands = uses.map(({ name, how, by }) => {
    if (how === 'mounted') return `umount ${by.includes(' ') ? `'${by}'` : by}`
    return how === 'swap' ? `swapoff /dev/${name}` : `end ${by}, such as with dmsetup, vgchange or mdadm`
  })
  return `if it is the card: ${[...new Set(commands)].join('; ')}`
}
