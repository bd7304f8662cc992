/** Where things are on the card. docs/formats/image.md, "The card". */
import { type Partition, SECTOR } from './mbr.ts'

const MIB = 1024 * 1024
const mib = (count: number) => (count * MIB) / SECTOR

/** By this the initramfs knows its card, whatever else is plugged in. "CLVG" in ASCII. */
export const DISK_ID = 0x47_56_4c_43

/** Size of a slot for the root and its hash tree, bytes. */
export const SLOT_BYTES = 128 * MIB
/** Size of the FAT: the firmware, and two of kernel, initramfs and device tree. Bytes. */
export const BOOT_BYTES = 96 * MIB

const [FAT32, LINUX] = [0x0c, 0x83]

/** Number of a partition, 1 to 4, is its place in this list. */
export const PARTITIONS = {
  boot: { start: mib(1), sectors: BOOT_BYTES / SECTOR, type: FAT32 },
  rootA: { start: mib(97), sectors: SLOT_BYTES / SECTOR, type: LINUX },
  rootB: { start: mib(97 + 128), sectors: SLOT_BYTES / SECTOR, type: LINUX },
  // Longer than any image file: the card has the room, and it is made a file system on the first boot.
  data: { start: mib(97 + 256), sectors: mib(1024), type: LINUX },
} as const satisfies Record<string, Partition>

/** The smallest card, bytes. */
export const CARD_BYTES = (PARTITIONS.data.start + PARTITIONS.data.sectors) * SECTOR

/**
 * The state sector, in the gap before the first partition: the only sector outside of the data partition that a running device
 * writes. It says whether the data partition was made; a later step keeps the trial of a slot in it.
 */
export const STATE_SECTOR = 64
/** Of a card that was never started. */
export const STATE_NEW = 'claviger-state 1\ndata=new\n'
