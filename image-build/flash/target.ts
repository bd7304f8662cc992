/** What the name of a card stands for: a block device that may be written to, or a file that is as good as one. */
import { constants } from 'node:fs'
import { access, open, realpath, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { CARD_BYTES, DISK_ID, STATE_NEW, STATE_SECTOR } from '../disk/layout.ts'
import { readMbr, SECTOR } from '../disk/mbr.ts'
import { ImageError } from '../errors.ts'
import { deviceNumber, inspectDisk } from './inspect.ts'
import { type Allowed, assertCard, listing, showSize } from './refusal.ts'

/** Where an image goes. */
export interface Target {
  /** Without symbolic links. */
  readonly path: string
  /** What the person types to agree; as in /dev, or the name of a file. */
  readonly name: string
  readonly isDevice: boolean
  /** There is nothing to be erased. */
  readonly isFresh: boolean
  /** What would be erased, for people. */
  readonly listing: readonly string[]
}

/**
 * Looks at a card and writes nothing.
 *
 * @throws ImageError that says why it is not written to
 */
export async function findTarget(card: string, image: string, allowed: Allowed): Promise<Target> {
  const path = await realpath(card).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (path === null) return missing(resolve(card))
  const found = await stat(path)
  if (found.isBlockDevice()) {
    const inspection = await inspectDisk(deviceNumber(found.rdev))
    assertCard(inspection, allowed)
    const { name } = inspection.disk
    return {
      path,
      name,
      isDevice: true,
      isFresh: false,
      listing: [...listing(inspection.disk), ...(await ofDevice(path))],
    }
  }
  if (!found.isFile())
    throw new ImageError(`${card} is neither a block device nor a file`, {
      hint: 'a card is such as /dev/sdb',
    })
  if (path === (await realpath(image)))
    throw new ImageError(`${card} is the image itself`, { hint: 'name the card behind the image' })
  await access(path, constants.W_OK).catch(cause => {
    throw new ImageError(`${card} is read-only`, { cause, hint: 'chmod +w makes it writable' })
  })
  const isFresh = found.size === 0
  return {
    path,
    name: basename(path),
    isDevice: false,
    isFresh,
    listing: [`${path}: a file of ${showSize(found.size)}`, ...(await ofDevice(path))],
  }
}

/** Says so where a card is that of a device which was started: its keys would be lost. Empty where it cannot be read. */
async function ofDevice(path: string): Promise<string[]> {
  try {
    await using file = await open(path)
    const bytes = Buffer.alloc((STATE_SECTOR + 1) * SECTOR)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    const state = bytes.toString('latin1', STATE_SECTOR * SECTOR, STATE_SECTOR * SECTOR + STATE_NEW.length)
    if (bytesRead < bytes.length || readMbr(bytes).id !== DISK_ID || state === STATE_NEW) return []
  } catch {
    return []
  }
  return [
    '  it is the card of a device that was started. What was sealed with its keys could never be opened again',
  ]
}

/** A file is made where none is; a device that is not there is not made a file of. */
function missing(path: string): Target {
  if (path.startsWith('/dev/'))
    throw new ImageError(`there is no ${path}`, {
      hint: 'put the card in, and look which disk comes: ls /sys/block',
    })
  return { path, name: basename(path), isDevice: false, isFresh: true, listing: [`${path}: a new file`] }
}

/** Makes a file as long as a card. */
export async function makeRoom({ path, isFresh }: Target, size: number): Promise<void> {
  if (isFresh) await writeFile(path, '', { flag: 'a', mode: 0o600 })
  const { size: present } = await stat(path)
  if (present < size) await truncate(path, size)
}

/**
 * @param text such as `2G`, `1500M`, or bytes
 * @returns bytes
 */
export function parseSize(text: string | undefined): number {
  if (text === undefined) return CARD_BYTES
  const [, digits, unit = ''] = /^(\d{1,12})([MG]?)$/.exec(text) ?? []
  const size = Number(digits) * { '': 1, M: 2 ** 20, G: 2 ** 30 }[unit as '' | 'M' | 'G']
  if (!Number.isSafeInteger(size) || size % SECTOR !== 0)
    throw new ImageError(`${text} is not the size of a card`, { hint: 'such as --size 2G' })
  if (size < CARD_BYTES)
    throw new ImageError(`--size ${text} is ${showSize(size)}, and the layout needs ${showSize(CARD_BYTES)}`)
  return size
}
