/**
 * The nodes of one segment's subtree, and the files that keep them (docs/formats/audit.md, "Nodes").
 *
 * A node file is derived from the lines: while those are there, a missing or damaged one is made again.
 */

import { hash } from 'node:crypto'
import { HASH_BYTES } from '../../../protocol/audit/merkle.ts'
import { type LogFile, type LogFiles, readFileInto, readFully } from './files.ts'
import { nodesFile, SEGMENT_ENTRIES, SEGMENT_LEVEL } from './segments.ts'

/** Bytes of a node file: 4,096 leaf hashes, the 2,048 nodes above them, and so on up to the one root. */
export const NODES_BYTES = (2 * SEGMENT_ENTRIES - 1) * HASH_BYTES

/** A buffer for {@link readNodes}; one byte longer, so that a file that is too long is seen. */
export function nodesBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(NODES_BYTES + 1)
}

/** Where in a node file the nodes of each level begin. */
const OFFSETS = Array.from(
  { length: SEGMENT_LEVEL + 1 },
  (_, level) => (2 * SEGMENT_ENTRIES - ((2 * SEGMENT_ENTRIES) >> level)) * HASH_BYTES,
)

/** Where in a node file a node is. @param index within the segment */
export function nodeOffset(level: number, index: number): number {
  return OFFSETS[level]! + index * HASH_BYTES
}

/** The subtree of a segment while it grows. */
export class SegmentNodes {
  /** As in the file; what is not known yet is anything. */
  readonly bytes: Buffer
  #count: number
  /** 0x01 ‖ left ‖ right */
  readonly #pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1)

  /** @param bytes of a node file, of which the first `count` leaves are taken as they are */
  constructor(bytes: Buffer = Buffer.alloc(NODES_BYTES), count = 0) {
    this.bytes = bytes
    this.#count = 0
    for (let i = 0; i < count; i++) this.#rise(i)
    this.#count = count
  }

  /** Leaves so far. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === SEGMENT_ENTRIES
  }

  clear(): void {
    this.#count = 0
  }

  /** Adds a leaf. @param input 0x00 ‖ line */
  addLine(input: Uint8Array): void {
    this.bytes.write(hash('sha256', input, 'binary'), this.#count * HASH_BYTES, 'latin1')
    this.#rise(this.#count++)
  }

  /** Becomes a copy of another one. */
  copyFrom(other: SegmentNodes): void {
    other.bytes.copy(this.bytes)
    this.#count = other.#count
  }

  /** A complete subtree that lies within the leaves so far; a view. @param index within the segment */
  node(level: number, index: number): Buffer {
    const offset = nodeOffset(level, index)
    return this.bytes.subarray(offset, offset + HASH_BYTES)
  }

  get root(): Buffer {
    return this.node(SEGMENT_LEVEL, 0)
  }

  /** Hashes the parents that the leaf at `index` completes. A start does this a million times, without a compiler. */
  #rise(index: number): void {
    const bytes = this.bytes
    const pair = this.#pair
    let offset = index * HASH_BYTES
    for (let level = 1, at = index; (at & 1) === 1; level++) {
      at >>= 1
      bytes.copy(pair, 1, offset - HASH_BYTES, offset + HASH_BYTES)
      offset = OFFSETS[level]! + at * HASH_BYTES
      bytes.write(hash('sha256', pair, 'binary'), offset, HASH_BYTES, 'latin1')
    }
  }
}

/** True if every node is the hash of the two below it. */
export function isWholeSubtree(bytes: Buffer): boolean {
  return (
    bytes.length === NODES_BYTES && new SegmentNodes(Buffer.from(bytes), SEGMENT_ENTRIES).bytes.equals(bytes)
  )
}

/**
 * The nodes of a complete segment.
 * @param into a {@link nodesBuffer}, of which the result is a view
 * @returns `null` if there is no file of the right length
 */
export function readNodes(files: LogFiles, first: number, into: Buffer): Buffer | null {
  const bytes = readFileInto(files, nodesFile(first), into)
  return bytes?.length === NODES_BYTES ? bytes : null
}

/** Reads single nodes from the files, the last of which it keeps open: a proof asks one segment for most of its nodes. */
export class NodeReader {
  readonly #files: LogFiles
  #open: { first: number; file: LogFile } | null = null

  constructor(files: LogFiles) {
    this.#files = files
  }

  /**
   * @param first of the segment
   * @param index within the segment
   * @throws what the files throw
   */
  read(first: number, level: number, index: number): Uint8Array {
    if (this.#open?.first !== first) {
      this.close()
      this.#open = { first, file: this.#files.open(nodesFile(first), 'read') }
    }
    const node = new Uint8Array(HASH_BYTES)
    if (readFully(this.#open.file, node, nodeOffset(level, index)) < HASH_BYTES)
      throw new Error(`${nodesFile(first)} is too short`)
    return node
  }

  close(): void {
    this.#open?.file.close()
    this.#open = null
  }
}
