/**
 * The Merkle tree of the log in little memory: complete segments are in node files, above them and in the segment that
 * grows the nodes are here (docs/formats/audit.md, "Nodes").
 */

import { type NodeAt, nodeHash } from '../../../protocol/audit/merkle.ts'
import { type NodeReader, SegmentNodes } from './nodes.ts'
import { SEGMENT_ENTRIES, SEGMENT_LEVEL } from './segments.ts'

export class LogTree {
  readonly #reader: NodeReader
  /** The segment that grows, or that is full and has no successor yet. */
  readonly current = new SegmentNodes()
  #first = 0
  /** Complete subtrees from the level of segments up. */
  readonly #upper: Uint8Array[][] = []

  constructor(reader: NodeReader) {
    this.#reader = reader
  }

  /** Entries in the tree. */
  get size(): number {
    return this.#first + this.current.count
  }

  /** Index of the first entry of {@link current}. */
  get first(): number {
    return this.#first
  }

  /** Adds an entry. @param input 0x00 ‖ line; {@link current} must not be full */
  addLine(input: Uint8Array): void {
    this.current.addLine(input)
    if (this.current.isFull) this.#addRoot(this.current.root)
  }

  /** Goes on to the next segment, the nodes of this one being in their file. */
  startSegment(): void {
    this.#first += SEGMENT_ENTRIES
    this.current.clear()
  }

  /** Adds a complete segment by its root; {@link current} must be empty. */
  addSegment(root: Uint8Array): void {
    this.#addRoot(root)
    this.#first += SEGMENT_ENTRIES
  }

  /** The root of a complete segment. @param first its first entry */
  segmentRoot(first: number): Uint8Array {
    return this.#upper[0]![first / SEGMENT_ENTRIES]!
  }

  /** Takes over what a scan found of the last segment. */
  takeCurrent(nodes: SegmentNodes): void {
    this.current.copyFrom(nodes)
    if (this.current.isFull) this.#addRoot(this.current.root)
  }

  readonly nodeAt: NodeAt = (level, index) => {
    if (level >= SEGMENT_LEVEL) return this.#upper[level - SEGMENT_LEVEL]![index]!
    const perSegment = SEGMENT_ENTRIES >> level
    const within = index % perSegment
    const first = ((index - within) / perSegment) * SEGMENT_ENTRIES
    // The buffer goes on being used.
    if (first === this.#first) return Uint8Array.from(this.current.node(level, within))
    return this.#reader.read(first, level, within)
  }

  #addRoot(root: Uint8Array): void {
    let node: Uint8Array = Uint8Array.from(root)
    for (let level = 0; ; level++) {
      if (this.#upper.length === level) this.#upper.push([])
      const row = this.#upper[level]!
      row.push(node)
      if (row.length % 2 === 1) return
      node = nodeHash(row.at(-2)!, node)
    }
  }
}
