/** An image file, `.img` or `.img.zst`, read as pieces and checked against its manifest before anything is erased. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline, type Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { blank, PROVISION, PROVISION_BYTES } from '../boot/boot-files.ts'
import { CARD_BYTES, DISK_ID, STATE_NEW, STATE_SECTOR } from '../disk/layout.ts'
import { readMbr, SECTOR } from '../disk/mbr.ts'
import { ImageError } from '../errors.ts'
import type { Manifest } from '../release/manifest.ts'

/** Bytes of all pieces but the last. A multiple of every block that a disk may count in. */
export const PIECE = 4 * 1024 * 1024

/** A stretch of the card. Bytes from its start. */
export interface Stretch {
  readonly offset: number
  readonly size: number
}

/** Tells how far a step is; both in bytes. */
export type OnProgress = (done: number, total: number) => void

/** The manifest that comes beside an image. */
export function manifestBeside(image: string): string {
  const [, name] = /^(.+)\.img(?:\.zst)?$/s.exec(image) ?? []
  if (!name)
    throw new ImageError(`${image} is neither an .img nor an .img.zst`, {
      hint: 'name the image that "image build" made; another name needs --manifest FILE',
    })
  return `${name}.manifest.json`
}

/** @returns where in the image the owner's file is */
export function provisionPlace({ regions }: Pick<Manifest, 'regions'>): Stretch {
  for (const { offset, size, except } of regions) {
    if (except === undefined) continue
    const isInside = except.offset >= offset && except.offset + except.size <= offset + size
    // The first block is written by itself, and last.
    if (except.size === PROVISION_BYTES && isInside && except.offset >= SECTOR) return except
  }
  throw new ImageError(`the manifest does not say where ${PROVISION} is`, {
    hint: 'this builder writes images of its own version',
  })
}

/**
 * The bytes of an image, unpacked. A piece is the reader's own to change, and good until the next one is asked for.
 *
 * @throws ImageError where it cannot be read or unpacked
 */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(PIECE)
  let filled = 0
  try {
    for await (const chunk of bytesOf(path) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        const copied = chunk.copy(piece, filled, at)
        at += copied
        filled += copied
        if (filled < PIECE) continue
        yield piece
        filled = 0
      }
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ImageError(`${path} cannot be read: ${code ?? message}`, {
      cause: error,
      hint: 'was it fetched to its end?',
    })
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function bytesOf(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: 1024 * 1024 })
  if (!path.endsWith('.zst')) return file
  // What goes wrong in either ends the second one, which is the one that is read.
  return pipeline(file, createZstdDecompress(), () => {})
}

/**
 * Reads all of an image.
 *
 * @returns its size, bytes
 * @throws ImageError where it is not what the manifest says, or was on a device already
 */
export async function checkImage(
  path: string,
  manifest: Pick<Manifest, 'image' | 'regions' | 'name'>,
  onProgress: OnProgress = () => {},
): Promise<number> {
  const place = provisionPlace(manifest)
  const length = Math.max(...manifest.regions.map(({ offset, size }) => offset + size))
  const hash = createHash('sha256')
  const head = Buffer.alloc((STATE_SECTOR + 1) * SECTOR)
  const owner = Buffer.alloc(place.size)
  let size = 0
  for await (const piece of readPieces(path)) {
    hash.update(piece)
    copyOverlap(piece, size, head, 0)
    copyOverlap(piece, size, owner, place.offset)
    size += piece.length
    if (size > CARD_BYTES) throw new ImageError(`${path} is larger than a card`)
    onProgress(size, length)
  }
  const fail = (message: string): never => {
    throw new ImageError(`${path} ${message}`, {
      hint: 'nothing was written; fetch it again, or build it again',
    })
  }
  if (hash.digest('hex') !== manifest.image) fail(`is not ${manifest.name}: its SHA-256 is another`)
  if (size < length) fail(`ends at ${size}, and its manifest at ${length}`)
  if (readMbr(head).id !== DISK_ID) fail('is not the image of a device')
  if (!head.toString('latin1', STATE_SECTOR * SECTOR).startsWith(STATE_NEW)) fail('was started already')
  if (!owner.equals(blank())) fail(`has a ${PROVISION} already`)
  return size
}

/** Copies what two stretches of the card have in common. */
export function copyOverlap(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number): void {
  const start = Math.max(fromAt, toAt)
  const end = Math.min(fromAt + from.length, toAt + to.length)
  if (start < end) to.set(from.subarray(start - fromAt, end - fromAt), start - toAt)
}
