/**
 * The Merkle tree of a growing list of lines in constant memory: one hash per level, the complete subtrees that make up
 * the list so far (RFC 9162 §2.1). What an auditor's machine streams an exported log through.
 */

import { hash } from 'node:crypto'
import { EMPTY_ROOT, HASH_BYTES, nodeHash, peaksOf } from './merkle.ts'

const LEFT = 1
const RIGHT = 1 + HASH_BYTES

/** A leaf hash, one character per byte. @param input 0x00 ‖ line */
export function leafText(input: Uint8Array): string {
  return hash('sha256', input, 'binary')
}

/** The root over leaves that come one after the other. */
export class Frontier {
  #size = 0
  /** For each level 0x01 ‖ left ‖ right, which is what a node is the hash of. The left half is a peak while it waits. */
  readonly #pairs: Buffer[] = []

  /**
   * @param first how many leaves came before
   * @param peaks the hashes of the subtrees that {@link peaksOf} names for `first`, in that order
   */
  constructor(first = 0, peaks: readonly Uint8Array[] = []) {
    const places = peaksOf(first)
    if (places.length !== peaks.length) throw new RangeError('these are not the subtrees of that size')
    for (const [i, { level }] of places.entries()) this.#pairAt(level).set(peaks[i]!, LEFT)
    this.#size = first
  }

  /** Leaves so far, those before the first one included. */
  get size(): number {
    return this.#size
  }

  /** Adds a leaf. @param input 0x00 ‖ line */
  addLine(input: Uint8Array): void {
    this.addLeaf(leafText(input))
  }

  /** Adds a leaf by its hash, one character per byte. */
  addLeaf(leaf: string): void {
    let node = leaf
    let level = 0
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const pair = this.#pairs[level++]!
      pair.write(node, RIGHT, 'latin1')
      node = hash('sha256', pair, 'binary')
    }
    this.#pairAt(level).write(node, LEFT, 'latin1')
    this.#size += 1
  }

  /** The hashes of the subtrees that {@link peaksOf} names for the size, in that order. */
  peaks(): Uint8Array[] {
    return peaksOf(this.#size).map(({ level }) => Uint8Array.from(this.#pairs[level]!.subarray(LEFT, RIGHT)))
  }

  /** The root of the tree over all leaves. */
  root(): Uint8Array {
    const peaks = this.peaks()
    if (peaks.length === 0) return EMPTY_ROOT.slice()
    return peaks.reduceRight((right, left) => nodeHash(left, right))
  }

  /** Another one at the same place. */
  fork(): Frontier {
    return new Frontier(this.#size, this.peaks())
  }

  #pairAt(level: number): Buffer {
    while (this.#pairs.length <= level) this.#pairs.push(Buffer.alloc(1 + 2 * HASH_BYTES, 1))
    return this.#pairs[level]!
  }
}
