/** A FAT32 file system from a description, the same bytes every time. Microsoft, FAT: General Overview of On-Disk Format, 1.03. */
import { ImageError } from '../errors.ts'
import { SECTOR } from './mbr.ts'

/** A file; directories are made from the paths. */
export interface FatFile {
  /** From the root, with `/`; at most 100 characters of printable ASCII a part. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** What the file system is like. */
export interface FatOptions {
  /** Of the whole file system, bytes. */
  readonly size: number
  /** A 32-bit number. */
  readonly id: number
  /** At most eleven capitals. */
  readonly label: string
  /** Of every file, seconds since 1970. */
  readonly time: number
}

/** The finished file system, and where each file's bytes are in it. */
export interface Fat {
  readonly bytes: Buffer
  readonly offsets: ReadonlyMap<string, number>
}

const RESERVED = 32
const FATS = 2
const CLUSTER = 2 * SECTOR
const LEAST_CLUSTERS = 65_525
const END = 0x0fff_ffff

interface Directory {
  readonly directories: Map<string, Directory>
  readonly files: Map<string, FatFile>
}

/** @throws ImageError where something does not fit, or a name cannot be one */
export function fat32(files: readonly FatFile[], { size, id, label, time }: FatOptions): Fat {
  const sectors = Math.floor(size / SECTOR)
  const perCluster = CLUSTER / SECTOR
  // Entries are four bytes; a table is as long as its clusters, which are what is left without the tables.
  const tableSectors = Math.ceil(((sectors - RESERVED) / perCluster + 2) / (SECTOR / 4))
  const clusters = Math.floor((sectors - RESERVED - FATS * tableSectors) / perCluster)
  if (clusters < LEAST_CLUSTERS) throw new ImageError(`a FAT32 cannot have ${size} bytes: too small`)
  const bytes = Buffer.alloc(sectors * SECTOR)
  const dataStart = (RESERVED + FATS * tableSectors) * SECTOR
  const table = new Uint32Array(clusters + 2)
  table[0] = 0x0fff_fff8
  table[1] = END
  let free = 2

  const take = (length: number): number => {
    const count = Math.ceil(length / CLUSTER)
    if (count === 0) return 0
    const first = free
    if (first + count > clusters + 2) throw new ImageError('the FAT is full')
    for (let i = 0; i < count; i++) table[first + i] = i === count - 1 ? END : first + i + 1
    free += count
    return first
  }
  const offsetOf = (cluster: number) => dataStart + (cluster - 2) * CLUSTER
  const offsets = new Map<string, number>()
  const stamp = timeStamp(time)

  /** @returns the directory's first cluster */
  const place = (directory: Directory, path: string, parent: number | null): number => {
    const names = shortNames([...directory.directories.keys(), ...directory.files.keys()])
    const count = [...names.keys()].reduce((sum, name) => sum + 1 + longParts(name), parent === null ? 1 : 2)
    const own = take(count * 32)
    const entries: Buffer[] = []
    if (parent === null) entries.push(entry(label.padEnd(11), 0x08, 0, 0, stamp))
    else
      entries.push(entry('.'.padEnd(11), 0x10, own, 0, stamp), entry('..'.padEnd(11), 0x10, parent, 0, stamp))
    for (const [name, below] of directory.directories) {
      const at = place(below, `${path}${name}/`, parent === null ? 0 : own)
      entries.push(...longEntries(name, names.get(name)!), entry(names.get(name)!, 0x10, at, 0, stamp))
    }
    for (const [name, file] of directory.files) {
      const at = take(file.bytes.length)
      if (at !== 0) {
        bytes.set(file.bytes, offsetOf(at))
        offsets.set(file.path, offsetOf(at))
      }
      const short = names.get(name)!
      entries.push(...longEntries(name, short), entry(short, 0x20, at, file.bytes.length, stamp))
    }
    bytes.set(Buffer.concat(entries), offsetOf(own))
    return own
  }
  const root = place(treeOf(files), '', null)

  const boot = bootSector({ sectors, tableSectors, root, id, label })
  const info = infoSector(clusters + 2 - free, free)
  for (const at of [0, 6]) {
    bytes.set(boot, at * SECTOR)
    bytes.set(info, (at + 1) * SECTOR)
    bytes.writeUInt16LE(0xaa55, (at + 2) * SECTOR + 510)
  }
  const packed = Buffer.alloc(tableSectors * SECTOR)
  for (const [i, value] of table.entries()) packed.writeUInt32LE(value, i * 4)
  for (let i = 0; i < FATS; i++) bytes.set(packed, (RESERVED + i * tableSectors) * SECTOR)
  return { bytes, offsets }
}

function treeOf(files: readonly FatFile[]): Directory {
  const root: Directory = { directories: new Map(), files: new Map() }
  for (const file of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const parts = file.path.split('/')
    const name = parts.pop()!
    let directory = root
    for (const part of parts) {
      checkName(part)
      const below = directory.directories.get(part) ?? { directories: new Map(), files: new Map() }
      directory.directories.set(part, below)
      directory = below
    }
    checkName(name)
    if (directory.files.has(name)) throw new ImageError(`${file.path} is in the FAT twice`)
    directory.files.set(name, file)
  }
  return root
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$/.test(name) || name.endsWith('.'))
    throw new ImageError(`not a name for a FAT: ${JSON.stringify(name)}`)
}

/** The eleven characters of each name: itself where it is one of eight and three, else one with a number. */
function shortNames(names: readonly string[]): Map<string, string> {
  const short = new Map<string, string>()
  for (const name of names) {
    const [, stem = '', extension = ''] = /^([^.]{1,8})(?:\.([^.]{1,3}))?$/.exec(name) ?? []
    if (stem !== '') {
      short.set(name, stem.toUpperCase().padEnd(8) + extension.toUpperCase().padEnd(3))
      continue
    }
    const clean = (text: string, length: number) =>
      text
        .toUpperCase()
        .replace(/[^A-Z0-9_-]/g, '')
        .slice(0, length)
    const dot = name.lastIndexOf('.')
    const [front, back] = dot > 0 ? [name.slice(0, dot), name.slice(dot + 1)] : [name, '']
    for (let i = 1; ; i++) {
      const tail = `~${i}`
      const made = (clean(front, 8 - tail.length) + tail).padEnd(8) + clean(back, 3).padEnd(3)
      if ([...short.values()].includes(made)) continue
      short.set(name, made)
      break
    }
  }
  if (new Set(short.values()).size < short.size)
    throw new ImageError('two names in the FAT differ only in case')
  return short
}

/** How many entries a name's long form takes; none where the short one says it all. */
function longParts(name: string): number {
  return /^[A-Z0-9_]{1,8}(?:\.[A-Z0-9_]{1,3})?$/.test(name) ? 0 : Math.ceil(name.length / 13)
}

function longEntries(name: string, short: string): Buffer[] {
  const count = longParts(name)
  let sum = 0
  for (const byte of Buffer.from(short, 'latin1')) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff
  return Array.from({ length: count }, (_, i) => {
    const number = count - i
    const part = Buffer.alloc(32)
    part[0] = number | (i === 0 ? 0x40 : 0)
    part[11] = 0x0f
    part[13] = sum
    const places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]
    places.forEach((at, j) => {
      const index = (number - 1) * 13 + j
      part.writeUInt16LE(
        index < name.length ? name.charCodeAt(index) : index === name.length ? 0 : 0xffff,
        at,
      )
    })
    return part
  })
}

function entry(short: string, attributes: number, cluster: number, size: number, stamp: Buffer): Buffer {
  const made = Buffer.alloc(32)
  made.write(short, 0, 11, 'latin1')
  made[11] = attributes
  stamp.copy(made, 14)
  stamp.copy(made, 18, 2)
  stamp.copy(made, 22)
  made.writeUInt16LE(cluster >>> 16, 20)
  made.writeUInt16LE(cluster & 0xffff, 26)
  made.writeUInt32LE(size, 28)
  return made
}

/** Time, then date, two bytes each; UTC. */
function timeStamp(seconds: number): Buffer {
  const date = new Date(seconds * 1000)
  const stamp = Buffer.alloc(4)
  stamp.writeUInt16LE(
    (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
    0,
  )
  const years = Math.max(0, date.getUTCFullYear() - 1980)
  stamp.writeUInt16LE((years << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(), 2)
  return stamp
}

function bootSector(fat: { sectors: number; tableSectors: number; root: number; id: number; label: string }) {
  const block = Buffer.alloc(SECTOR)
  block.set([0xeb, 0x58, 0x90])
  block.write('CLAVIGER', 3)
  block.writeUInt16LE(SECTOR, 11)
  block[13] = CLUSTER / SECTOR
  block.writeUInt16LE(RESERVED, 14)
  block[16] = FATS
  block[21] = 0xf8
  block.writeUInt16LE(63, 24)
  block.writeUInt16LE(255, 26)
  block.writeUInt32LE(fat.sectors, 32)
  block.writeUInt32LE(fat.tableSectors, 36)
  block.writeUInt32LE(fat.root, 44)
  block.writeUInt16LE(1, 48)
  block.writeUInt16LE(6, 50)
  block[64] = 0x80
  block[66] = 0x29
  block.writeUInt32LE(fat.id >>> 0, 67)
  block.write(fat.label.padEnd(11), 71, 11, 'latin1')
  block.write('FAT32   ', 82)
  block.writeUInt16LE(0xaa55, 510)
  return block
}

function infoSector(free: number, next: number): Buffer {
  const block = Buffer.alloc(SECTOR)
  block.writeUInt32LE(0x4161_5252, 0)
  block.writeUInt32LE(0x6141_7272, 484)
  block.writeUInt32LE(free, 488)
  block.writeUInt32LE(next, 492)
  block.writeUInt32LE(0xaa55_0000, 508)
  return block
}
