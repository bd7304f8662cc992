/** The whole card as one image file, and the stretches of it that can be compared afterwards. */
import { ImageError } from '../errors.ts'
import { type Region, sha256 } from '../release/manifest.ts'
import { DISK_ID, PARTITIONS, SLOT_BYTES, STATE_NEW, STATE_SECTOR } from './layout.ts'
import { SECTOR, writeMbr } from './mbr.ts'

/** What is put together. */
export interface CardParts {
  /** The file system of the first partition. */
  readonly fat: Uint8Array
  /** Root and hash tree. */
  readonly root: Uint8Array
  /** Where in the FAT is what the owner writes. Bytes. */
  readonly provision: { readonly offset: number; readonly size: number }
}

/** The image file; it ends behind the root, since all that comes later is empty. */
export function cardImage({ fat, root, provision }: CardParts): { image: Buffer; regions: Region[] } {
  if (root.length > SLOT_BYTES)
    throw new ImageError(`the root has ${root.length} bytes, a slot ${SLOT_BYTES}`)
  const { boot, rootA } = PARTITIONS
  const [bootAt, rootAt] = [boot.start * SECTOR, rootA.start * SECTOR]
  const image = Buffer.alloc(rootAt + Math.ceil(root.length / 1048576) * 1048576)
  image.set(writeMbr(DISK_ID, Object.values(PARTITIONS)))
  image.write(STATE_NEW, STATE_SECTOR * SECTOR)
  image.set(fat, bootAt)
  image.set(root, rootAt)
  const region = (name: string, offset: number, size: number): Region => ({
    name,
    offset,
    size,
    sha256: sha256(image.subarray(offset, offset + size)),
  })
  const stateAt = STATE_SECTOR * SECTOR
  const regions = [
    region('master boot record', 0, SECTOR),
    region('gap before the state sector', SECTOR, stateAt - SECTOR),
    region('gap behind the state sector', stateAt + SECTOR, bootAt - stateAt - SECTOR),
    {
      ...region('boot', bootAt, fat.length),
      except: { offset: bootAt + provision.offset, size: provision.size, fill: 'blank' },
    },
    region('root', rootAt, root.length),
  ]
  return { image, regions }
}
