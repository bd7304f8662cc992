/**
 * Dropping segments whose entries were exported (docs/formats/audit.md, "Archiving").
 *
 * Their nodes stay, so that every proof goes on working; they are made durable and checked before any line goes, since
 * nothing could make them again.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { entriesName } from '../../../protocol/audit/export.ts'
import { checkSegment } from './check.ts'
import { damaged } from './failures.ts'
import { type LogFiles, replaceFile } from './files.ts'
import { LineReader } from './lines.ts'
import { isWholeSubtree, nodesBuffer, readNodes, SegmentNodes } from './nodes.ts'
import { nodesFile, SEGMENT_ENTRIES } from './segments.ts'
import type { LogTree } from './tree.ts'

/**
 * Drops the entries of whole segments [from, to).
 *
 * @param dropped is told after each segment what the first remaining entry is, and how many bytes went
 * @throws AuditError `audit-damaged` before anything was dropped
 * @throws what the files throw
 */
export async function dropSegments(
  files: LogFiles,
  tree: LogTree,
  from: number,
  to: number,
  dropped: (oldest: number, bytes: number) => void,
): Promise<void> {
  const buffer = nodesBuffer()
  for (let first = from; first < to; first += SEGMENT_ENTRIES) {
    await keepNodes(files, tree, first, buffer)
    await turn()
  }
  await files.syncDirectory()
  for (let first = from; first < to; first += SEGMENT_ENTRIES) {
    const name = entriesName(first)
    const file = files.open(name, 'read')
    const { size } = file.stat()
    file.close()
    files.unlink(name)
    dropped(first + SEGMENT_ENTRIES, size)
  }
  await files.syncDirectory()
}

/** Makes the nodes of a segment right and durable, all but their name. */
async function keepNodes(files: LogFiles, tree: LogTree, first: number, buffer: Buffer): Promise<void> {
  const root = tree.segmentRoot(first)
  const stored = readNodes(files, first, buffer)
  if (stored?.subarray(-root.length).equals(root) && isWholeSubtree(stored)) {
    const file = files.open(nodesFile(first), 'append')
    try {
      return await file.sync()
    } finally {
      file.close()
    }
  }
  const nodes = new SegmentNodes()
  const { damaged: index } = checkSegment({ files, reader: new LineReader(), first, stored: null }, nodes)
  if (index !== null || !nodes.isFull || !nodes.root.equals(root))
    throw damaged(`entries ${first} to ${first + SEGMENT_ENTRIES - 1} are not what they were`, index ?? first)
  await replaceFile(files, nodesFile(first), nodes.bytes, true)
}
