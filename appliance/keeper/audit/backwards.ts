/** Reading the newest entries back, from the last one on, without reading what is before them. */
import { setImmediate as turn } from 'node:timers/promises'
import { MAX_LINE_BYTES } from '../../../protocol/audit/entry.ts'
import { entriesName } from '../../../protocol/audit/export.ts'
import { type LogFile, type LogFiles, readFully } from './files.ts'
import { SEGMENT_ENTRIES, segmentOf } from './segments.ts'

const NEWLINE = 0x0a
const CHUNK_BYTES = 262_144

/** What is there to be read. */
export interface Extent {
  /** Entries that were ever written. */
  size: number
  /** Index of the first entry that is still there; it may grow meanwhile. */
  oldest(): number
  /** First index of the segment that is being written, and bytes of it that are durable. */
  tail: number
  tailBytes: number
}

/**
 * Shows lines without their newlines, the newest first, giving way to other work after each chunk.
 *
 * @param most - entries and bytes after which no further line is shown
 * @param visit - returns `false` to stop
 * @returns whether every entry that is there was shown
 * @throws what the files throw
 */
export async function visitNewestFirst(
  files: LogFiles,
  { size, oldest, tail, tailBytes }: Extent,
  most: { entries: number; bytes: number },
  visit: (line: string) => boolean,
): Promise<boolean> {
  let entries = 0
  let bytes = 0
  for (let first = segmentOf(size - 1); size > 0 && first >= oldest(); first -= SEGMENT_ENTRIES) {
    const file = files.open(entriesName(first), 'read')
    try {
      for (const lines of chunksBackwards(file, first === tail ? tailBytes : file.stat().size)) {
        for (const line of lines) {
          if (entries === most.entries || bytes >= most.bytes || !visit(line)) return false
          entries++
          bytes += line.length + 1
        }
        await turn()
      }
    } finally {
      file.close()
    }
  }
  return true
}

/** The lines of the bytes before `until`, which end with a newline, last one first; nothing from one on that is too long to be one. */
function* chunksBackwards(file: LogFile, until: number): Generator<string[]> {
  let position = until
  let held = Buffer.alloc(0)
  while (position > 0) {
    const from = Math.max(0, position - CHUNK_BYTES)
    const chunk = Buffer.alloc(position - from)
    if (readFully(file, chunk, from) < chunk.length) return
    position = from
    const block = Buffer.concat([chunk, held])
    const lines: string[] = []
    let end = block.length
    while (end > 1) {
      const before = block.lastIndexOf(NEWLINE, end - 2)
      if (before === -1 && position > 0) break
      lines.push(block.toString('utf8', before + 1, end - 1))
      end = before + 1
    }
    held = block.subarray(0, end)
    yield lines
    if (held.length > MAX_LINE_BYTES + 1) return
  }
}
