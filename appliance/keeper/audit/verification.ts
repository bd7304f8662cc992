/** Reading the log again while it is in use, and comparing it with the tree in memory (docs/formats/audit.md, "Start"). */

import { setImmediate as turn } from 'node:timers/promises'
import { HASH_BYTES, rootHash } from '../../../protocol/audit/merkle.ts'
import { checkSegment } from './check.ts'
import type { SavedCheckpoint } from './checkpoints.ts'
import type { LogFiles } from './files.ts'
import { LineReader } from './lines.ts'
import { isWholeSubtree, nodesBuffer, readNodes, SegmentNodes } from './nodes.ts'
import { SEGMENT_ENTRIES } from './segments.ts'
import type { Tail } from './tail.ts'
import type { LogTree } from './tree.ts'

/** Whether the log is what it was; `index` is the first entry that is not, `null` if that cannot be told. */
export type Verdict = { ok: true; size: number } | { ok: false; index: number | null; message: string }

/** @throws what the files throw */
export async function verifyLog(log: {
  files: LogFiles
  tree: LogTree
  tail: Tail
  oldest: () => number
  saved: SavedCheckpoint | null
}): Promise<Verdict> {
  const { files, tree, tail, oldest, saved } = log
  const [size, last, lastBytes] = [tree.size, tail.first, tail.bytes]
  const reader = new LineReader()
  const nodes = new SegmentNodes()
  const buffer = nodesBuffer()
  const bad = (index: number | null, message: string): Verdict => ({ ok: false, index, message })

  for (let first = 0; first <= last; first += SEGMENT_ENTRIES) {
    await turn()
    const stored = first < last ? readNodes(files, first, buffer) : null
    if (first < oldest()) {
      const right = stored?.subarray(-HASH_BYTES).equals(tree.segmentRoot(first)) && isWholeSubtree(stored)
      if (!right) return bad(first, `the nodes of the dropped entry ${first} are damaged`)
      continue
    }
    if (first === last && size === first) continue
    const until = first === last ? { until: lastBytes } : {}
    const check = checkSegment({ files, reader, first, stored, ...until }, nodes)
    if (check.damaged !== null) return bad(check.damaged, `entry ${check.damaged} is damaged`)
    const end = Math.min(first + SEGMENT_ENTRIES, size)
    if (first + nodes.count !== end || check.fileBytes < check.bytes)
      return bad(first + nodes.count, `entry ${first + nodes.count} is missing`)
    if (first < last && !nodes.root.equals(tree.segmentRoot(first)))
      return bad(first, `an entry from ${first} to ${end - 1} is not what it was`)
    if (first === last) {
      const changed = changedLeaf(nodes, first, tree)
      if (changed !== null) return bad(changed, `entry ${changed} is not what it was`)
    }
  }
  if (
    saved !== null &&
    !Buffer.from(rootHash(saved.checkpoint.size, tree.nodeAt)).equals(saved.checkpoint.root)
  )
    return bad(null, 'it is not the one that its checkpoint was signed for')
  return { ok: true, size }
}

function changedLeaf(nodes: SegmentNodes, first: number, tree: LogTree): number | null {
  for (let i = 0; i < nodes.count; i++) {
    if (!nodes.node(0, i).equals(tree.nodeAt(0, first + i))) return first + i
  }
  return null
}
