/**
 * Reading the log at the start of the device: every line is hashed and checked once, and shown to whoever replays it
 * (docs/formats/audit.md, "Start").
 *
 * A last line without its newline was never acknowledged and is cut off. Anything else that is not as it was is damage: it
 * is named and left as it is.
 */

import type { Checkpoint } from '../../../protocol/audit/checkpoint.ts'
import { type Entry, hasRightCrc, MAX_LINE_BYTES } from '../../../protocol/audit/entry.ts'
import type { AuditError } from '../../../protocol/audit/errors.ts'
import { CHECKPOINT_NAME, entriesName } from '../../../protocol/audit/export.ts'
import { HASH_BYTES, rootHash } from '../../../protocol/audit/merkle.ts'
import { checkSegment } from './check.ts'
import { readSaved, type SavedCheckpoint } from './checkpoints.ts'
import { damaged } from './failures.ts'
import { type LogFiles, readFully, replaceFile } from './files.ts'
import { LineReader } from './lines.ts'
import { type NodeReader, nodesBuffer, readNodes, SegmentNodes } from './nodes.ts'
import { nodesFile, SEGMENT_ENTRIES, segmentsIn } from './segments.ts'
import { LogTree } from './tree.ts'

/** The log as it was found. */
export interface Recovered {
  tree: LogTree
  /** index of the first entry that is still there */
  oldest: number
  /** bytes of all segments, and of the last one */
  bytes: number
  lastBytes: number
  saved: SavedCheckpoint | null
  damage: AuditError | null
}

const UNKNOWN = Buffer.alloc(HASH_BYTES)

/** @throws what the files throw */
export async function recover(
  files: LogFiles,
  nodeReader: NodeReader,
  origin: string,
  visit?: (entry: Entry) => void,
): Promise<Recovered> {
  const names = files.list()
  for (const name of names) if (name.endsWith('.new')) files.unlink(name)
  const found = segmentsIn(names)
  const present = new Set(found.entries)
  const oldest = found.entries[0] ?? 0
  const last = found.entries.at(-1) ?? 0
  const tree = new LogTree(nodeReader)
  const reader = new LineReader()
  const nodes = new SegmentNodes()
  const buffer = nodesBuffer()
  let damage: AuditError | null = null
  let [bytes, lastBytes, torn] = [0, 0, false]
  const note = (message: string, index?: number) => {
    damage ??= damaged(message, index)
  }

  if (present.size === 0 && found.nodes.size > 0) note('entry 0 and all others are missing', 0)
  for (let first = 0; first < last || present.has(first); first += SEGMENT_ENTRIES) {
    const stored = readNodes(files, first, buffer)
    if (!present.has(first)) {
      if (first > oldest) note(`entry ${first} and those after it are missing`, first)
      if (stored === null) note(`the nodes of the dropped entry ${first} are missing`, first)
      tree.addSegment(stored?.subarray(-HASH_BYTES) ?? UNKNOWN)
      continue
    }
    const check = checkSegment({ files, reader, first, stored }, nodes, visit)
    const end = first + nodes.count
    if (check.damaged !== null && check.damaged < end)
      note(`entry ${check.damaged} is damaged`, check.damaged)
    else if (check.damaged !== null)
      note(`entry ${check.damaged} is not one of this segment, or missing`, check.damaged)
    bytes += check.bytes
    const tail = check.fileBytes > check.bytes
    if (first === last) {
      tree.takeCurrent(nodes)
      lastBytes = check.bytes
      torn = tail
    } else {
      if (!nodes.isFull || tail) note(`entry ${end} and those after it are missing`, end)
      tree.addSegment(nodes.isFull ? nodes.root : UNKNOWN)
    }
    if (nodes.isFull && check.damaged === null && !check.nodesAreRight && damage === null)
      await replaceFile(files, nodesFile(first), nodes.bytes, false).catch(() => {})
  }

  const saved = readSaved(files)
  if (saved === 'damaged') note(`the file ${CHECKPOINT_NAME} is damaged`)
  else if (saved !== null && damage === null) compare(saved.checkpoint, origin, tree, note)
  if (torn && damage === null) {
    if (isWholeLine(files, last, lastBytes)) note(`entry ${tree.size} is damaged`, tree.size)
    else await cutOff(files, last, lastBytes)
  }
  return { tree, oldest, bytes, lastBytes, saved: saved === 'damaged' ? null : saved, damage }
}

/** What the device itself signed must be the beginning of what it finds. */
function compare(
  { origin, size, root }: Checkpoint,
  expected: string,
  tree: LogTree,
  note: (message: string, index?: number) => void,
): void {
  if (origin !== expected) note('its checkpoint is of another log')
  else if (size > tree.size)
    note(`entry ${tree.size} and those after it, up to ${size - 1}, are missing`, tree.size)
  else if (!Buffer.from(rootHash(size, tree.nodeAt)).equals(root))
    note('it is not the one that its checkpoint was signed for')
}

/** A line that is right but for its newline was not torn off: it was durable, and its last byte is damaged. */
function isWholeLine(files: LogFiles, first: number, from: number): boolean {
  const file = files.open(entriesName(first), 'read')
  try {
    const rest = Buffer.alloc(Math.min(file.stat().size - from, MAX_LINE_BYTES + 1))
    return hasRightCrc(rest.subarray(0, readFully(file, rest, from) - 1))
  } finally {
    file.close()
  }
}

async function cutOff(files: LogFiles, first: number, size: number): Promise<void> {
  const file = files.open(entriesName(first), 'append')
  try {
    file.truncate(size)
    await file.sync()
  } finally {
    file.close()
  }
}
