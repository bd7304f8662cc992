/**
 * Writes an image to a card: the first block is emptied, everything else written and read back, and the first block written last. So
 * a card either starts and is whole, or does not start.
 */
import { createHash } from 'node:crypto'
import { SECTOR } from '../disk/mbr.ts'
import { ImageError } from '../errors.ts'
import { sha256 } from '../release/manifest.ts'
import type { Card } from './card-file.ts'
import { copyOverlap, type OnProgress, PIECE } from './image-file.ts'

/** What is written. */
export interface Contents {
  /** Of the image; all but the last have {@link PIECE} bytes. They are changed. */
  readonly pieces: AsyncIterable<Uint8Array>
  /** Of all pieces together, bytes. */
  readonly size: number
  /** Of the image. */
  readonly sha256: string
  /** What takes the place of something in the image. */
  readonly provision: { readonly offset: number; readonly bytes: Uint8Array }
}

/** How a person follows it and ends it. */
export interface Watching {
  readonly signal?: AbortSignal
  readonly onWritten?: OnProgress
  readonly onVerified?: OnProgress
  /** All is written; reading back begins. */
  readonly onReadBack?: () => void
}

/** What the kernel may keep to itself before it has to write: else the bar runs ahead, and the end takes minutes. Pieces. */
const SYNC_EVERY = 4

/** What was written: the block that comes last, and a hash of each piece without it. */
interface Written {
  readonly first: Uint8Array
  readonly hashes: readonly string[]
}

/** @throws ImageError where the card is not usable afterwards; its first block is then empty */
export async function writeCard(card: Card, contents: Contents, watching: Watching = {}): Promise<void> {
  try {
    await emptyFirst(card)
    const written = await writeRest(card, contents, watching)
    watching.onReadBack?.()
    await verifyRest(card, contents.size, written, watching)
    watching.signal?.throwIfAborted()
    await writeFirst(card, written.first)
  } catch (cause) {
    const isEmpty = await emptyFirst(card).then(
      () => true,
      () => false,
    )
    const { message } = cause as Error
    throw new ImageError(`${card.name} is not usable: ${message}`, {
      cause,
      hint: isEmpty
        ? 'its first block is empty, so nothing starts from it; flash it again'
        : 'not even its first block could be emptied: take another card',
    })
  }
}

async function emptyFirst(card: Card): Promise<void> {
  await card.write(0, Buffer.alloc(SECTOR))
  await card.sync()
}

async function writeRest(
  card: Card,
  { pieces, size, sha256: expected, provision }: Contents,
  { signal, onWritten }: Watching,
): Promise<Written> {
  const first = Buffer.alloc(SECTOR)
  const shipped = createHash('sha256')
  const hashes: string[] = []
  let at = 0
  for await (const bytes of pieces) {
    signal?.throwIfAborted()
    shipped.update(bytes)
    copyOverlap(provision.bytes, provision.offset, bytes, at)
    if (at === 0) {
      copyOverlap(bytes, 0, first, 0)
      bytes.fill(0, 0, SECTOR)
    }
    const isEmpty = isZero(bytes)
    if (!card.isFresh || !isEmpty) await card.write(at, bytes)
    hashes.push(isEmpty && bytes.length === PIECE ? HASH_OF_ZEROS : sha256(bytes))
    at += bytes.length
    if (hashes.length % SYNC_EVERY === 0) await card.sync()
    onWritten?.(at, size)
  }
  await card.sync()
  // The file was checked before; this is about one that changes while it is read.
  if (at !== size || shipped.digest('hex') !== expected)
    throw new Error('the image changed while it was read')
  return { first, hashes }
}

const ZEROS = Buffer.alloc(PIECE)
/** Most of an image is empty. */
const HASH_OF_ZEROS = sha256(ZEROS)

const isZero = (bytes: Uint8Array) => ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0

async function verifyRest(
  card: Card,
  size: number,
  { hashes }: Written,
  { signal, onVerified }: Watching,
): Promise<void> {
  for (const [i, expected] of hashes.entries()) {
    signal?.throwIfAborted()
    const at = i * PIECE
    const length = Math.min(PIECE, size - at)
    const read = await card.read(at, length)
    const isSame = length === PIECE && expected === HASH_OF_ZEROS ? isZero(read) : sha256(read) === expected
    if (read.length !== length || !isSame)
      throw new Error(`it reads back something else between MiB ${at >> 20} and ${(at + length) >> 20}`)
    onVerified?.(at + length, size)
  }
}

async function writeFirst(card: Card, first: Uint8Array): Promise<void> {
  await card.write(0, first)
  await card.sync()
  const read = await card.read(0, SECTOR)
  if (!Buffer.from(first).equals(read)) throw new Error('its first block reads back as something else')
}
