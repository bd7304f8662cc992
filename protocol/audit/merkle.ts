/**
 * The Merkle tree over the lines of the audit log and its proofs (RFC 9162 §2.1, the same tree as RFC 6962 §2.1).
 *
 * A tree is read through {@link NodeAt}, which knows complete subtrees only: those never change while the log grows, so
 * they can lie in files, and everything else is hashed from about log2(size) of them.
 */

import { hash } from 'node:crypto'

/** Bytes of a hash. */
export const HASH_BYTES = 32

/**
 * The hash of the complete subtree over the leaves [index · 2^level, (index + 1) · 2^level). Level 0 are the leaves.
 * The bytes are not kept by whoever asks, except in proofs.
 */
export type NodeAt = (level: number, index: number) => Uint8Array

/** The root of the empty tree: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array())

/** RFC 9162 §2.1.1: SHA-256(0x00 ‖ line). @param line without its newline */
export function leafHash(line: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(line.length + 1)
  input[0] = 0
  input.set(line, 1)
  return sha256(input)
}

/** RFC 9162 §2.1.1: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + 2 * HASH_BYTES)
  input[0] = 1
  input.set(left, 1)
  input.set(right, 1 + HASH_BYTES)
  return sha256(input)
}

/** The root of the tree over the first `size` leaves, 32 bytes. */
export function rootHash(size: number, nodeAt: NodeAt): Uint8Array {
  return size === 0 ? EMPTY_ROOT.slice() : rangeHash(0, size, nodeAt)
}

/**
 * RFC 9162 §2.1.3.1: the hashes that lead from a leaf to the root, from the leaf up.
 * @param index below `size`
 */
export function inclusionProof(index: number, size: number, nodeAt: NodeAt): Uint8Array[] {
  const proof: Uint8Array[] = []
  let [begin, end] = [0, size]
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin)
    if (index < middle) {
      proof.push(rangeHash(middle, end, nodeAt))
      end = middle
    } else {
      proof.push(rangeHash(begin, middle, nodeAt))
      begin = middle
    }
  }
  return proof.reverse()
}

/**
 * RFC 9162 §2.1.4.1: the hashes that show that the tree of `oldSize` is the beginning of that of `newSize`. Empty when
 * the sizes are equal or the old tree was empty.
 */
export function consistencyProof(oldSize: number, newSize: number, nodeAt: NodeAt): Uint8Array[] {
  if (oldSize === 0 || oldSize === newSize) return []
  const proof: Uint8Array[] = []
  let [begin, end] = [0, newSize]
  while (end !== oldSize) {
    const middle = begin + splitOf(end - begin)
    if (oldSize <= middle) {
      proof.push(rangeHash(middle, end, nodeAt))
      end = middle
    } else {
      proof.push(rangeHash(begin, middle, nodeAt))
      begin = middle
    }
  }
  // The verifier has the old root already where it is one complete subtree.
  if (begin > 0) proof.push(rangeHash(begin, end, nodeAt))
  return proof.reverse()
}

/** RFC 9162 §2.1.3.2: true if the proof leads from the leaf hash at `index` to `root`. Never throws. */
export function verifyInclusion(claim: {
  leaf: Uint8Array
  index: number
  size: number
  proof: readonly Uint8Array[]
  root: Uint8Array
}): boolean {
  const { leaf, index, size, proof, root } = claim
  if (!isSize(index) || !isSize(size) || index >= size || ![leaf, root, ...proof].every(isHash)) return false
  let [at, last] = [index, size - 1]
  let node = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      node = nodeHash(sibling, node)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else {
      node = nodeHash(node, sibling)
    }
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && isEqual(node, root)
}

/** RFC 9162 §2.1.4.2: true if the proof shows that the new tree continues the old one. Never throws. */
export function verifyConsistency(claim: {
  oldSize: number
  oldRoot: Uint8Array
  newSize: number
  newRoot: Uint8Array
  proof: readonly Uint8Array[]
}): boolean {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false
  if (![oldRoot, newRoot, ...proof].every(isHash)) return false
  if (newSize === 0 && !isEqual(newRoot, EMPTY_ROOT)) return false
  if (oldSize === newSize) return proof.length === 0 && isEqual(oldRoot, newRoot)
  if (oldSize === 0) return proof.length === 0 && isEqual(oldRoot, EMPTY_ROOT)
  let [at, last] = [oldSize - 1, newSize - 1]
  while (isOdd(at)) [at, last] = [half(at), half(last)]
  // The old tree is one complete subtree: its root is where the path begins.
  const path = at === 0 ? [oldRoot, ...proof] : [...proof]
  const [first, ...rest] = path
  if (first === undefined) return false
  let [old, now] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      old = nodeHash(sibling, old)
      now = nodeHash(sibling, now)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else {
      now = nodeHash(now, sibling)
    }
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && isEqual(old, oldRoot) && isEqual(now, newRoot)
}

/** The complete subtrees that together are the first `size` leaves, from the left: one for each bit of `size`. */
export function peaksOf(size: number): { level: number; index: number }[] {
  const peaks: { level: number; index: number }[] = []
  for (let level = 0, rest = size; rest > 0; level++, rest = half(rest)) {
    if (isOdd(rest)) peaks.push({ level, index: rest - 1 })
  }
  return peaks.reverse()
}

/** The hash over the leaves [begin, end), which is a subtree of some tree: `begin` is a multiple of its width. */
function rangeHash(begin: number, end: number, nodeAt: NodeAt): Uint8Array {
  const width = end - begin
  const level = Math.floor(Math.log2(width))
  if (2 ** level === width) return nodeAt(level, begin / width)
  const middle = begin + splitOf(width)
  return nodeHash(rangeHash(begin, middle, nodeAt), rangeHash(middle, end, nodeAt))
}

/** The largest power of two below `width`, which is at least 2. */
function splitOf(width: number): number {
  let split = 1
  while (split * 2 < width) split *= 2
  return split
}

// Sizes are safe integers, which the 32-bit operators of JavaScript would cut.
const half = (value: number) => Math.floor(value / 2)
const isOdd = (value: number) => value % 2 === 1
const isSize = (value: number) => Number.isSafeInteger(value) && value >= 0
const isHash = (value: unknown) => value instanceof Uint8Array && value.length === HASH_BYTES
const isEqual = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

/** A hash as text of one character per byte costs node a third of what a fresh Buffer does. */
function sha256(input: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', input, 'binary'), 'binary')
}
