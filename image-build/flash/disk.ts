/** What Linux says of a disk in /sys/block, and of who uses it in /proc: parsed, without touching a file. */
import { SECTOR } from '../disk/mbr.ts'

/** Directories of /sys for a disk, or one of its partitions: its place below /sys/devices, and what stands in its files. */
export interface RawBlock {
  /** Without symbolic links. */
  readonly path: string
  /** By name, such as `size` and `device/model`. */
  readonly texts: Readonly<Record<string, string | undefined>>
  /** Names of what is built on it: device mapper, RAID. */
  readonly holders: readonly string[]
}

/** A partition, or the whole disk. */
export interface Block {
  /** As in /dev. */
  readonly name: string
  /** `major:minor`. */
  readonly number: string
  readonly bytes: number
  readonly holders: readonly string[]
}

/** How a disk is connected. `card` is a reader of SD cards, `soldered` the memory that is built into a machine. */
export type Bus = 'usb' | 'card' | 'soldered' | 'nvme' | 'sata' | 'virtual' | 'virtio' | 'other'

/** A whole disk. */
export interface Disk extends Block {
  /** For people; empty where nobody says. */
  readonly model: string
  readonly bus: Bus
  readonly isRemovable: boolean
  readonly isReadOnly: boolean
  /** What it counts in, bytes. */
  readonly sectorBytes: number
  readonly parts: readonly Block[]
}

/** A file system that is mounted. */
export interface Mount {
  /** `major:minor`; of some file systems one that no disk has. */
  readonly number: string
  readonly source: string
  readonly at: string
}

/** Somebody who uses a disk, or a part of it. */
export interface Use {
  readonly name: string
  readonly how: 'mounted' | 'swap' | 'held'
  /** Mount point, or name of the holder; empty for swap. */
  readonly by: string
}

const BUSES: readonly [place: RegExp, bus: Bus][] = [
  [/\/usb\d+\//, 'usb'],
  [/\/nvme\//, 'nvme'],
  [/\/ata\d+\//, 'sata'],
  [/\/virtio\d+\//, 'virtio'],
  [/\/virtual\//, 'virtual'],
]

export function parseDisk(raw: RawBlock, parts: readonly RawBlock[]): Disk {
  const { texts } = raw
  return {
    ...parseBlock(raw),
    model: [texts['device/vendor'], texts['device/model'] ?? texts['device/name']]
      .map(text => printable(text ?? ''))
      .filter(text => text !== '')
      .join(' '),
    bus: busOf(raw),
    isRemovable: texts.removable?.trim() === '1',
    isReadOnly: texts.ro?.trim() === '1',
    sectorBytes: count(texts['queue/logical_block_size']) || SECTOR,
    parts: parts.map(parseBlock).sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
  }
}

function parseBlock({ path, texts, holders }: RawBlock): Block {
  const name = path.slice(path.lastIndexOf('/') + 1).replaceAll('!', '/')
  // The size is in units of 512 bytes, whatever the disk counts in.
  return { name, number: texts.dev?.trim() ?? '', bytes: count(texts.size) * SECTOR, holders }
}

/** A reader of SD cards says of what is in it whether it is one, or is soldered in. */
function busOf({ path, texts }: RawBlock): Bus {
  if (/\/mmc_host\//.test(path)) return texts['device/type']?.trim() === 'SD' ? 'card' : 'soldered'
  return BUSES.find(([place]) => place.test(path))?.[1] ?? 'other'
}

/** Of /proc/self/mountinfo; proc_pid_mountinfo(5). Lines that are none are left out. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap(line => {
    const [, , number, , at, ...rest] = line.split(' ')
    const source = rest[rest.indexOf('-') + 2]
    return number && at && source ? [{ number, source: unescaped(source), at: unescaped(at) }] : []
  })
}

/** Of /proc/swaps: what is swapped to. */
export function parseSwaps(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [file] = line.split(/\s/)
      return file ? [unescaped(file)] : []
    })
}

/** Who uses a disk or one of its partitions. */
export function usesOf(disk: Disk, mounts: readonly Mount[], swaps: readonly string[]): Use[] {
  return [disk, ...disk.parts].flatMap(({ name, number, holders }) => [
    // Some file systems have a number of their own, and name the device as their source only.
    ...mounts
      .filter(mount => mount.number === number || mount.source === `/dev/${name}`)
      .map(({ at }): Use => ({ name, how: 'mounted', by: at })),
    ...swaps.filter(file => file === `/dev/${name}`).map((): Use => ({ name, how: 'swap', by: '' })),
    ...holders.map((by): Use => ({ name, how: 'held', by })),
  ])
}

/** Blanks, tabs, line ends and backslashes are written as three octal digits. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function count(text: string | undefined): number {
  return /^\s*\d{1,15}\s*$/.test(text ?? '') ? Number(text) : 0
}

/** A model is what the maker of the disk says: nothing of it may act on a terminal. */
function printable(text: string): string {
  return text
    .replace(/[^ -~]/g, ' ')
    .replace(/ +/g, ' ')
    .trim()
}
