/** A master boot record with four primary partitions: the only table that the boot ROM of a Zero 2 W or a Pi 3 reads. */
import { ImageError } from '../errors.ts'

/** Bytes. */
export const SECTOR = 512

/** One partition. In sectors. */
export interface Partition {
  readonly start: number
  readonly sectors: number
  /** What is in it: 0x0c is FAT32, 0x83 is Linux. */
  readonly type: number
}

const ENTRIES = 446
const ENTRY = 16

/**
 * @param id of the disk, by which the initramfs finds its card; a 32-bit number
 * @throws ImageError where partitions overlap or do not fit
 */
export function writeMbr(id: number, partitions: readonly Partition[]): Buffer {
  if (partitions.length > 4) throw new ImageError('a master boot record has four partitions')
  const sorted = partitions.toSorted((a, b) => a.start - b.start)
  sorted.reduce((end, { start, sectors }) => {
    if (start < end || sectors < 1 || start + sectors > 0xffff_ffff)
      throw new ImageError(`a partition of ${sectors} sectors at ${start} does not fit`)
    return start + sectors
  }, 1)
  const block = Buffer.alloc(SECTOR)
  block.writeUInt32LE(id >>> 0, 440)
  partitions.forEach(({ start, sectors, type }, i) => {
    const at = ENTRIES + i * ENTRY
    // Cylinders, heads and sectors of old are marked as out of reach; nothing reads them.
    block.set([0x00, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], at)
    block.writeUInt32LE(start, at + 8)
    block.writeUInt32LE(sectors, at + 12)
  })
  block.writeUInt16LE(0xaa55, 510)
  return block
}

/** @throws ImageError where it is not one */
export function readMbr(block: Uint8Array): { id: number; partitions: Partition[] } {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length)
  if (bytes.length < SECTOR || bytes.readUInt16LE(510) !== 0xaa55)
    throw new ImageError('there is no master boot record')
  const partitions = [0, 1, 2, 3].map(i => {
    const at = ENTRIES + i * ENTRY
    return { start: bytes.readUInt32LE(at + 8), sectors: bytes.readUInt32LE(at + 12), type: bytes[at + 4]! }
  })
  return { id: bytes.readUInt32LE(440), partitions: partitions.filter(({ type }) => type !== 0) }
}
