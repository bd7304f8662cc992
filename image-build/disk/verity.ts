/**
 * The hash tree of dm-verity, hash type 1, without a superblock: what is written behind the root, and the line that `dmsetup`
 * takes. Linux, Documentation/admin-guide/device-mapper/verity.rst.
 */
import { createHash } from 'node:crypto'

/** Of data and of hashes, bytes. */
export const BLOCK = 4096
const DIGEST = 32
const PER_BLOCK = BLOCK / DIGEST

/** A tree over some data. */
export interface Verity {
  /** Of the data, in blocks. */
  readonly blocks: number
  /** The tree, top level first; goes directly behind the data. */
  readonly hashes: Buffer
  /** Whoever has this can tell whether any block is the right one. Hexadecimal. */
  readonly root: string
  /** Hexadecimal. */
  readonly salt: string
}

/**
 * @param data a whole number of blocks
 * @param salt hexadecimal; the same every time, for the same bytes every time
 */
export function verity(data: Uint8Array, salt: string): Verity {
  if (data.length === 0 || data.length % BLOCK !== 0) throw new RangeError('verity needs whole blocks')
  const prefix = Buffer.from(salt, 'hex')
  const hash = (block: Uint8Array) => createHash('sha256').update(prefix).update(block).digest()
  const levels: Buffer[] = []
  let level = data
  // a single block is its own root
  while (level.length > BLOCK) {
    const digests: Buffer[] = []
    for (let at = 0; at < level.length; at += BLOCK) digests.push(hash(level.subarray(at, at + BLOCK)))
    const next = Buffer.alloc(Math.ceil(digests.length / PER_BLOCK) * BLOCK)
    for (const [i, digest] of digests.entries()) next.set(digest, i * DIGEST)
    levels.unshift(next)
    level = next
  }
  return {
    blocks: data.length / BLOCK,
    hashes: Buffer.concat(levels),
    root: hash(level).toString('hex'),
    salt,
  }
}

/**
 * The device-mapper's table.
 *
 * @param device path of the device that holds the data with the tree behind it; `@` in the initramfs, which fills it in
 */
export function verityTable({ blocks, root, salt }: Verity, device: string): string {
  const sectors = blocks * (BLOCK / 512)
  const data = [device, device, BLOCK, BLOCK, blocks, blocks].join(' ')
  return `0 ${sectors} verity 1 ${data} sha256 ${root} ${salt} 1 panic_on_corruption`
}
