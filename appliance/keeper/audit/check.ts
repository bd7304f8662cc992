/**
 * Checking one segment against its nodes while its entries are read (docs/formats/audit.md, "Start").
 *
 * The lines and the nodes were written apart, so either tells when the other rots: nodes that are hashes of each other
 * name the very line that is not what it was; nodes that are not are made again from lines whose checksums are right.
 */

import { type Entry, readEntry, readHashedEntry } from '../../../protocol/audit/entry.ts'
import { entriesName } from '../../../protocol/audit/export.ts'
import { HASH_BYTES } from '../../../protocol/audit/merkle.ts'
import type { LogFiles } from './files.ts'
import type { LineReader } from './lines.ts'
import { isWholeSubtree, type SegmentNodes } from './nodes.ts'
import { SEGMENT_ENTRIES } from './segments.ts'

/** What was found in a segment. */
export interface SegmentCheck {
  /** Index of the first entry that is damaged, `null` if none is. */
  damaged: number | null
  /** Whether the stored nodes are those of the lines. */
  nodesAreRight: boolean
  /** Bytes of complete lines, and of the file. */
  bytes: number
  fileBytes: number
}

/** Where the segment is and what is known of it. */
export interface SegmentPlace {
  files: LogFiles
  reader: LineReader
  /** index of its first entry */
  first: number
  /** nodes from its file, `null` if there are none */
  stored: Buffer | null
  /** bytes from here on are not looked at */
  until?: number
}

/**
 * Reads a segment.
 *
 * @param nodes is cleared and then holds the subtree of the lines
 * @param visit is shown each entry that can be read
 * @throws what the files throw
 */
export function checkSegment(
  place: SegmentPlace,
  nodes: SegmentNodes,
  visit?: (entry: Entry) => void,
): SegmentCheck {
  const { first, stored } = place
  const scanned = scanSegment(place, nodes, stored === null, visit)
  const { malformed } = scanned
  if (stored === null) return { ...scanned, damaged: malformed, nodesAreRight: false }
  if (nodes.isFull && malformed === null && nodes.bytes.equals(stored))
    return { ...scanned, damaged: null, nodesAreRight: true }
  if (isWholeSubtree(stored)) {
    const differing = first + firstDifference(nodes, stored)
    return { ...scanned, damaged: Math.min(malformed ?? differing, differing), nodesAreRight: false }
  }
  // The nodes are damaged, so that the lines have to speak for themselves.
  const again = scanSegment(place, nodes, true)
  return { ...again, damaged: again.malformed, nodesAreRight: false }
}

/** @returns index of the first line that is not an entry, or not the one that belongs there */
function scanSegment(
  { files, reader, first, until }: SegmentPlace,
  nodes: SegmentNodes,
  strict: boolean,
  visit?: (entry: Entry) => void,
): { malformed: number | null; bytes: number; fileBytes: number } {
  nodes.clear()
  let malformed: number | null = null
  let index = first
  const end = first + SEGMENT_ENTRIES
  const file = files.open(entriesName(first), 'read')
  try {
    const { size } = file.stat()
    const bytes = reader.scan(file, 0, Math.min(size, until ?? size), (buffer, start, behind) => {
      if (index === end) {
        malformed ??= index
        return false
      }
      buffer[start - 1] = 0
      nodes.addLine(buffer.subarray(start - 1, behind))
      index += 1
      if (!strict && visit === undefined) return true
      const entry = strict
        ? readEntry(buffer.toString('utf8', start, behind))
        : readHashedEntry(buffer, start, behind)
      if (entry?.index === index - 1) visit?.(entry)
      else malformed ??= index - 1
      return true
    })
    return { malformed, bytes, fileBytes: size }
  } finally {
    file.close()
  }
}

/** Number of leading leaves that are the same. */
function firstDifference(nodes: SegmentNodes, stored: Buffer): number {
  for (let i = 0; i < nodes.count; i++) {
    const [from, to] = [i * HASH_BYTES, (i + 1) * HASH_BYTES]
    if (nodes.bytes.compare(stored, from, to, from, to) !== 0) return i
  }
  return Math.min(nodes.count, SEGMENT_ENTRIES)
}
