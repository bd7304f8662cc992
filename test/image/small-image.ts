/** An image as the builder makes them, with a FAT that holds little and a root that holds nothing: made in a second. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCard } from '../../host-agent/client/card.ts'
import { blank, PROVISION } from '../../image-build/boot/boot-files.ts'
import { cardImage } from '../../image-build/disk/card.ts'
import { fat32 } from '../../image-build/disk/fat.ts'
import { BOOT_BYTES } from '../../image-build/disk/layout.ts'
import { SECTOR } from '../../image-build/disk/mbr.ts'
import type { Mode } from '../../image-build/model.ts'
import { formatManifest, type Manifest, sha256 } from '../../image-build/release/manifest.ts'
import { makeSigningKey, signManifest } from '../../image-build/release/signature.ts'

/** Files of one image. */
export interface SmallImage {
  /** `.img`. */
  readonly path: string
  readonly bytes: Buffer
  readonly manifest: Manifest
  readonly manifestPath: string
  /** Public key that signed it. */
  readonly key: string
  /** A `provision.json` that a device would take. */
  readonly provision: string
}

/** Writes an image, its manifest, its signature, a key and a provision.json into a directory. */
export function smallImage(directory: string, mode: Mode = 'dongle', name = 'small'): SmallImage {
  mkdirSync(directory, { recursive: true })
  const at = (ending: string) => join(directory, `${name}${ending}`)
  const files = [
    { path: 'config.txt', bytes: Buffer.from('os_prefix=a/\n') },
    { path: 'a/vmlinuz', bytes: noise(3_000_000) },
    { path: PROVISION, bytes: blank() },
  ]
  const fat = fat32(files, { size: BOOT_BYTES, id: 1, label: 'CLAVIGER', time: 1_750_000_000 })
  const provision = { offset: fat.offsets.get(PROVISION)!, size: blank().length }
  const { image, regions } = cardImage({ fat: fat.bytes, root: noise(6 * 1024 * 1024), provision })
  const manifest: Manifest = {
    ...{ format: 'claviger-image 1', name, version: '1', date: 5, kernel: '6', rootHash: '' },
    variant: { mode, model: mode === 'lan' ? '4' : 'zero2w', kernel: 'stable' },
    image: sha256(image),
    regions,
    files: [],
  }
  const { privateKey, publicKey } = makeSigningKey()
  const text = formatManifest(manifest)
  writeFileSync(at('.img'), image)
  writeFileSync(at('.manifest.json'), text)
  writeFileSync(at('.manifest.json.sig'), signManifest(text, privateKey))
  writeFileSync(at('.pub'), publicKey)
  writeFileSync(at('.provision'), makeCard('owner', 'box').provisionJson)
  return {
    path: at('.img'),
    bytes: image,
    manifest,
    manifestPath: at('.manifest.json'),
    key: at('.pub'),
    provision: at('.provision'),
  }
}

/** The first bytes of a card; all of it would be 1.4 GB. */
export function head(path: string, size = SECTOR): Buffer {
  const bytes = Buffer.alloc(size)
  const file = openSync(path, 'r')
  readSync(file, bytes, 0, size, 0)
  closeSync(file)
  return bytes
}

/** Packs it as the builder does, with the program. */
export function pack(image: string): string {
  const { status, stderr } = spawnSync('zstd', ['-q', '-f', '-1', image, '-o', `${image}.zst`])
  if (status !== 0) throw new Error(`zstd: ${stderr}`)
  return `${image}.zst`
}

/** Bytes that are not zero, the same each time. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0, x = 1; i < length; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = (x >>> 16) | 1
  }
  return bytes
}
