/** Looks at a block device in /sys and /proc, and reads nothing of the device itself. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ImageError } from '../errors.ts'
import {
  type Disk,
  type Mount,
  parseDisk,
  parseMounts,
  parseSwaps,
  type RawBlock,
  type Use,
  usesOf,
} from './disk.ts'

/** Where to look; a test names another place. */
export interface Places {
  readonly sys: string
  readonly proc: string
}

const HERE: Places = { sys: '/sys', proc: '/proc' }

const TEXTS = [
  ...['dev', 'size', 'ro', 'removable', 'partition', 'queue/logical_block_size'],
  ...['device/vendor', 'device/model', 'device/name', 'device/type'],
]

/** A disk, and who uses it. */
export interface Inspection {
  readonly disk: Disk
  readonly uses: readonly Use[]
  /** The running system is on it. */
  readonly holdsRoot: boolean
}

/** A device number of stat(2) as /sys writes it, `major:minor`. */
export function deviceNumber(rdev: number): string {
  const [low, high] = [rdev % 2 ** 32, Math.floor(rdev / 2 ** 32)]
  const major = ((low >>> 8) & 0xfff) | (high & ~0xfff)
  const minor = (low & 0xff) | ((low >>> 12) & ~0xff)
  return `${major}:${minor}`
}

/**
 * @param number of the device, `major:minor`
 * @throws ImageError where it is a partition, or /sys does not know it
 */
export async function inspectDisk(number: string, places: Places = HERE): Promise<Inspection> {
  const path = await blockPath(number, places)
  if (path === null) throw new ImageError(`the kernel knows no disk with the number ${number}`)
  const raw = await readBlock(path)
  if (raw.texts.partition !== undefined) {
    const [part, whole] = [parseDisk(raw, []), parseDisk(await readBlock(dirname(path)), [])]
    throw new ImageError(`/dev/${part.name} is a partition of /dev/${whole.name}`, {
      hint: `a card is written as a whole: name /dev/${whole.name}, if that is the card`,
    })
  }
  const below = await readdir(path, { withFileTypes: true })
  const children = await Promise.all(
    below.filter(entry => entry.isDirectory()).map(({ name }) => readBlock(join(path, name))),
  )
  const disk = parseDisk(
    raw,
    children.filter(({ texts }) => texts.partition !== undefined),
  )
  const mounts = parseMounts(await readFile(join(places.proc, 'self/mountinfo'), 'utf8'))
  const swaps = parseSwaps(await readFile(join(places.proc, 'swaps'), 'utf8').catch(() => ''))
  const root = await rootDisks(mounts, places)
  return { disk, uses: usesOf(disk, mounts, swaps), holdsRoot: root.has(disk.number) }
}

/** Numbers of the disks that the running system is on, through whatever is built on them. */
async function rootDisks(mounts: readonly Mount[], places: Places): Promise<Set<string>> {
  const found = new Set<string>()
  const visit = async (path: string): Promise<void> => {
    const { texts } = await readBlock(path)
    if (texts.partition !== undefined) return visit(dirname(path))
    found.add(texts.dev?.trim() ?? '')
    for (const name of await namesIn(join(path, 'slaves')))
      await visit(await realpath(join(path, 'slaves', name)))
  }
  for (const { number, source } of mounts.filter(({ at }) => at === '/')) {
    const path = (await blockPath(number, places)) ?? (await pathOfSource(source, places))
    if (path !== null) await visit(path)
  }
  return found
}

async function pathOfSource(source: string, places: Places): Promise<string | null> {
  if (!source.startsWith('/dev/')) return null
  const found = await stat(source).catch(() => null)
  return found?.isBlockDevice() ? blockPath(deviceNumber(found.rdev), places) : null
}

function blockPath(number: string, { sys }: Places): Promise<string | null> {
  return realpath(join(sys, 'dev/block', number)).catch(() => null)
}

async function readBlock(path: string): Promise<RawBlock> {
  const texts = await Promise.all(
    TEXTS.map(async name => [name, await readFile(join(path, name), 'utf8').catch(() => undefined)] as const),
  )
  return { path, texts: Object.fromEntries(texts), holders: await namesIn(join(path, 'holders')) }
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
