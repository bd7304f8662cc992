/** The manifest of an image: every file with hash, mode and package, and every region of the card. docs/formats/image.md. */
import { createHash } from 'node:crypto'
import type { Variant } from '../model.ts'
import type { Tree } from '../tree/tree.ts'

/** A file, directory or link in the image. */
export interface ManifestFile {
  /** `boot`, `initramfs` or `root`, a colon, and the path. */
  readonly path: string
  /** Four octal digits, and what it is. */
  readonly mode: string
  readonly kind: 'file' | 'directory' | 'link'
  readonly uid: number
  readonly gid: number
  readonly package: string
  /** Of a file. */
  readonly size?: number
  readonly sha256?: string
  /** Of a link. */
  readonly target?: string
}

/** A stretch of the card. */
export interface Region {
  readonly name: string
  /** Bytes from the start of the card. */
  readonly offset: number
  readonly size: number
  /** Of the stretch as the image has it. */
  readonly sha256: string
  /** A stretch in it that the owner writes: taken as it is in the image when a card is compared. Bytes from the start of the card. */
  readonly except?: { readonly offset: number; readonly size: number; readonly fill: string }
}

/** The whole of it. */
export interface Manifest {
  readonly format: 'claviger-image 1'
  readonly name: string
  readonly version: string
  readonly variant: Variant
  /** Seconds since 1970; every time in the image. */
  readonly date: number
  readonly kernel: string
  /** Root hash of dm-verity. */
  readonly rootHash: string
  /** SHA-256 of the `.img`. */
  readonly image: string
  readonly regions: readonly Region[]
  readonly files: readonly ManifestFile[]
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The entries of a tree. */
export function filesOfTree(where: string, tree: Tree): ManifestFile[] {
  return tree.entries().map(([path, entry]) => ({
    path: `${where}:/${path}`,
    kind: entry.kind,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    package: entry.from,
    ...(entry.kind === 'file' && { size: entry.bytes.length, sha256: sha256(entry.bytes) }),
    ...(entry.kind === 'link' && { target: entry.target }),
  }))
}

/** The files of a FAT, which knows neither owners nor modes. */
export function filesOfFat(
  files: readonly { path: string; bytes: Uint8Array; from: string }[],
): ManifestFile[] {
  return files.map(({ path, bytes, from }) => ({
    path: `boot:/${path}`,
    kind: 'file',
    mode: '0444',
    uid: 0,
    gid: 0,
    package: from,
    size: bytes.length,
    sha256: sha256(bytes),
  }))
}

/** The manifest's text; one line for each file, so that two can be compared by eye. */
export function formatManifest({ files, regions, ...head }: Manifest): string {
  const lines = (list: readonly unknown[]) =>
    `[\n${list.map(each => `    ${JSON.stringify(each)}`).join(',\n')}\n  ]`
  const body = JSON.stringify(head, null, 2).slice(0, -2)
  return `${body},\n  "regions": ${lines(regions)},\n  "files": ${lines(files)}\n}\n`
}

/** @throws SyntaxError where it is not JSON, Error where it is not a manifest */
export function parseManifest(text: string): Manifest {
  const value = JSON.parse(text) as Partial<Manifest> | null
  const isRegion = (region: Partial<Region> | null) =>
    typeof region?.name === 'string' &&
    [region.offset, region.size].every(number => Number.isSafeInteger(number) && number! >= 0) &&
    /^[0-9a-f]{64}$/.test(String(region.sha256))
  if (
    value?.format !== 'claviger-image 1' ||
    !Array.isArray(value.files) ||
    !Array.isArray(value.regions) ||
    !value.regions.every(isRegion)
  )
    throw new Error('this is not the manifest of an image')
  return value as Manifest
}
