/** Compares a card, or an image file, with a manifest: region by region, and file by file where one differs. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Manifest, Region } from '../release/manifest.ts'

/** What is read: a card or a file. */
export interface Readable {
  read(at: number, size: number): Promise<Uint8Array>
}

/** One difference, for people. */
export interface Difference {
  readonly region: string
  readonly message: string
}

const PIECE = 1024 * 1024

export function readableOf(handle: FileHandle): Readable {
  return {
    async read(at, size) {
      const bytes = Buffer.alloc(size)
      let done = 0
      while (done < size) {
        const { bytesRead } = await handle.read(bytes, done, size - done, at + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.subarray(0, done)
    },
  }
}

/**
 * @param onProgress bytes compared, of all
 * @returns nothing where the card is what the manifest says
 */
export async function compareCard(
  card: Readable,
  { regions }: Pick<Manifest, 'regions'>,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Difference[]> {
  const total = regions.reduce((sum, { size }) => sum + size, 0)
  const differences: Difference[] = []
  let done = 0
  for (const region of regions) {
    const hash = createHash('sha256')
    for (let at = region.offset; at < region.offset + region.size; at += PIECE) {
      const size = Math.min(PIECE, region.offset + region.size - at)
      const piece = await card.read(at, size)
      if (piece.length < size) {
        differences.push({ region: region.name, message: `the card ends at ${at + piece.length}` })
        return differences
      }
      hash.update(asShipped(piece, at, region))
      done += size
      onProgress(done, total)
    }
    if (hash.digest('hex') !== region.sha256)
      differences.push({ region: region.name, message: 'is not what the manifest says' })
  }
  return differences
}

/** The stretch that the owner writes is blank in the image: blanks, and a line's end. */
function asShipped(piece: Uint8Array, at: number, { except }: Region): Uint8Array {
  if (!except) return piece
  const last = except.offset + except.size - 1
  const from = Math.max(at, except.offset)
  const to = Math.min(at + piece.length, last + 1)
  if (from >= to) return piece
  const shipped = Uint8Array.from(piece)
  shipped.fill(0x20, from - at, to - at)
  if (last >= at && last < at + piece.length) shipped[last - at] = 0x0a
  return shipped
}
