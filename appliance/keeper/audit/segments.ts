/** How the log is cut into segments, and what their files are called (docs/formats/audit.md, "Segments"). */

import { entriesName } from '../../../protocol/audit/export.ts'

/** Entries in a segment: a complete subtree of the Merkle tree. */
export const SEGMENT_ENTRIES = 4096
/** Level of a segment's root in the tree. */
export const SEGMENT_LEVEL = 12

/** Entries that a log can number in the nine digits of its file names: one a second for thirty years. */
export const MAX_ENTRIES = 999_997_440

const NAME = /^(entries|nodes)-([0-9]{9})\.(jsonl|bin)$/

/** The nodes of a complete segment. @param first index of its first entry */
export function nodesFile(first: number): string {
  return `nodes-${String(first).padStart(9, '0')}.bin`
}

/** Index of the first entry of the segment that an entry is in. */
export function segmentOf(index: number): number {
  return index - (index % SEGMENT_ENTRIES)
}

/** The first indices of the segments whose entries, and whose nodes, are in a directory; both in order. */
export function segmentsIn(names: readonly string[]): { entries: number[]; nodes: Set<number> } {
  const entries: number[] = []
  const nodes = new Set<number>()
  for (const name of names) {
    const [, kind, text] = NAME.exec(name) ?? []
    const first = Number(text)
    if (text === undefined || !Number.isSafeInteger(first) || first % SEGMENT_ENTRIES !== 0) continue
    if (name === entriesName(first)) entries.push(first)
    else if (kind === 'nodes' && name === nodesFile(first)) nodes.add(first)
  }
  return { entries: entries.sort((a, b) => a - b), nodes }
}
