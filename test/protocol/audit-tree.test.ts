/** The Merkle tree of the audit log against RFC 9162 as it is written there, and against whoever forges a proof. */

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { Frontier } from '../../protocol/audit/frontier.ts'
import {
  consistencyProof,
  EMPTY_ROOT,
  inclusionProof,
  leafHash,
  type NodeAt,
  nodeHash,
  peaksOf,
  rootHash,
  verifyConsistency,
  verifyInclusion,
} from '../../protocol/audit/merkle.ts'

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()

/** RFC 9162 §2.1.1, word for word. */
function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0]!)
  const k = largestPowerBelow(leaves.length)
  return sha256(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** RFC 9162 §2.1.3.1, word for word. */
function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return []
  const k = largestPowerBelow(leaves.length)
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

/** RFC 9162 §2.1.4.1, word for word. */
function naiveSubproof(m: number, leaves: readonly Uint8Array[], known: boolean): Uint8Array[] {
  if (m === leaves.length) return known ? [] : [naiveRoot(leaves)]
  const k = largestPowerBelow(leaves.length)
  return m <= k
    ? [...naiveSubproof(m, leaves.slice(0, k), known), naiveRoot(leaves.slice(k))]
    : [...naiveSubproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}

function largestPowerBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1))
}

/** Complete subtrees of some lines; anything else is a mistake of whoever asks. */
function treeOf(lines: readonly Uint8Array[]): NodeAt {
  const nodeAt: NodeAt = (level, index) => {
    if ((index + 1) * 2 ** level > lines.length) throw new Error(`subtree ${level}/${index} is not complete`)
    return level === 0
      ? leafHash(lines[index]!)
      : nodeHash(nodeAt(level - 1, 2 * index), nodeAt(level - 1, 2 * index + 1))
  }
  return nodeAt
}

const linesUpTo = (size: number) => Array.from({ length: size }, (_, i) => Buffer.from(`line ${i}`))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

t.test(
  'When the leaves are those of the Certificate Transparency project, then so are the roots',
  async t => {
    const leaves = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ]
    const lines = leaves.map(leaf => Buffer.from(leaf, 'hex'))
    const roots = Array.from({ length: 9 }, (_, size) => hex(rootHash(size, treeOf(lines))))
    t.same(roots, [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ])
    t.equal(hex(EMPTY_ROOT), roots[0])
  },
)

t.test(
  'When a tree has any size up to 70, then root and all proofs are those of the RFC and verify',
  async t => {
    const lines = linesUpTo(70)
    const nodeAt = treeOf(lines)
    const frontier = new Frontier()
    const wrong: string[] = []
    for (let size = 0; size <= lines.length; size++) {
      const root = rootHash(size, nodeAt)
      if (!naiveRoot(lines.slice(0, size)).equals(root)) wrong.push(`root ${size}`)
      if (hex(frontier.root()) !== hex(root)) wrong.push(`frontier ${size}`)
      if (
        frontier.peaks().map(hex).join() !==
        peaksOf(size)
          .map(p => hex(nodeAt(p.level, p.index)))
          .join()
      )
        wrong.push(`peaks ${size}`)
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, nodeAt)
        if (proof.map(hex).join() !== naivePath(index, lines.slice(0, size)).map(hex).join())
          wrong.push(`inclusion ${index} in ${size}`)
        if (!verifyInclusion({ leaf: leafHash(lines[index]!), index, size, proof, root }))
          wrong.push(`verify inclusion ${index} in ${size}`)
      }
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        const proof = consistencyProof(oldSize, size, nodeAt)
        const naive = oldSize === 0 ? [] : naiveSubproof(oldSize, lines.slice(0, size), true)
        if (proof.map(hex).join() !== naive.map(hex).join()) wrong.push(`consistency ${oldSize} to ${size}`)
        const oldRoot = rootHash(oldSize, nodeAt)
        if (!verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof }))
          wrong.push(`verify consistency ${oldSize} to ${size}`)
      }
      if (size < lines.length) frontier.addLine(Buffer.concat([Uint8Array.of(0), lines[size]!]))
    }
    t.same(wrong, [])
  },
)

/** A tree far larger than memory: subtrees are made up, the ones above them hashed. */
const hugeTree: NodeAt = (level, index) => sha256(Buffer.from(`${level}/${index}`))

t.test(
  'When a log is larger than 32 bits can count, then proofs have the right shape and verify',
  async t => {
    const size = 2 ** 40 + 2 ** 33 + 5
    const last = size - 1
    const root = rootHash(size, hugeTree)
    const proof = inclusionProof(last, size, hugeTree)
    t.ok(verifyInclusion({ leaf: hugeTree(0, last), index: last, size, proof, root }))
    const oldSize = 2 ** 40 + 2 ** 33
    const oldRoot = rootHash(oldSize, hugeTree)
    const consistency = consistencyProof(oldSize, size, hugeTree)
    t.ok(verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof: consistency }))
    t.notOk(
      verifyConsistency({ oldSize: oldSize + 1, oldRoot, newSize: size, newRoot: root, proof: consistency }),
    )
  },
)

t.test('When an inclusion proof is changed in any way, then it is refused', async () => {
  const lines = linesUpTo(40)
  const nodeAt = treeOf(lines)
  const place = fc.integer({ min: 2, max: 40 }).chain(size => fc.tuple(fc.constant(size), fc.nat(size - 1)))
  fc.assert(
    fc.property(
      place,
      fc.nat(),
      fc.nat(7),
      fc.integer({ min: 0, max: 40 }),
      ([size, index], at, bit, other) => {
        const proof = inclusionProof(index, size, nodeAt)
        const claim = { leaf: nodeAt(0, index), index, size, proof, root: rootHash(size, nodeAt) }
        const flipped = (bytes: Uint8Array) =>
          bytes.map((byte, i) => (i === at % 32 ? byte ^ (1 << bit) : byte))
        const hash = at % proof.length
        const forged = [
          { ...claim, leaf: flipped(claim.leaf) },
          { ...claim, root: flipped(claim.root) },
          { ...claim, proof: proof.map((node, i) => (i === hash ? flipped(node) : node)) },
          { ...claim, proof: proof.slice(1) },
          { ...claim, proof: proof.slice(0, -1) },
          { ...claim, proof: [...proof, nodeAt(0, 0)] },
          { ...claim, proof: [nodeAt(0, 0), ...proof] },
          { ...claim, proof: proof.map((node, i) => (i === hash ? node.subarray(1) : node)) },
          { ...claim, index: size },
          { ...claim, index: -1 },
          { ...claim, index: index + 0.5 },
          ...(other === index ? [] : [{ ...claim, index: other }]),
        ]
        return verifyInclusion(claim) && forged.every(one => !verifyInclusion(one))
      },
    ),
    { numRuns: 400 },
  )
})

t.test('When a consistency proof is changed in any way, then it is refused', async t => {
  const lines = linesUpTo(40)
  const nodeAt = treeOf(lines)
  const forkedAt = treeOf(lines.map((line, i) => (i === 3 ? Buffer.from('another line') : line)))
  const place = fc
    .integer({ min: 5, max: 40 })
    .chain(size => fc.tuple(fc.constant(size), fc.integer({ min: 4, max: size - 1 })))
  fc.assert(
    fc.property(place, fc.nat(), fc.nat(7), ([newSize, oldSize], at, bit) => {
      const proof = consistencyProof(oldSize, newSize, nodeAt)
      const claim = {
        oldSize,
        newSize,
        oldRoot: rootHash(oldSize, nodeAt),
        newRoot: rootHash(newSize, nodeAt),
        proof,
      }
      const flipped = (bytes: Uint8Array) =>
        bytes.map((byte, i) => (i === at % 32 ? byte ^ (1 << bit) : byte))
      const hash = at % proof.length
      const forged = [
        { ...claim, oldRoot: flipped(claim.oldRoot) },
        { ...claim, newRoot: flipped(claim.newRoot) },
        { ...claim, proof: proof.map((node, i) => (i === hash ? flipped(node) : node)) },
        { ...claim, proof: proof.slice(1) },
        { ...claim, proof: proof.slice(0, -1) },
        { ...claim, proof: [...proof, nodeAt(0, 0)] },
        { ...claim, proof: [] },
        // what a log that was rewritten, or cut and written on, can show at best
        {
          ...claim,
          newRoot: rootHash(newSize, forkedAt),
          proof: consistencyProof(oldSize, newSize, forkedAt),
        },
        { ...claim, oldSize: newSize, newSize: oldSize, oldRoot: claim.newRoot, newRoot: claim.oldRoot },
        { ...claim, newSize: oldSize },
        { ...claim, oldSize: 0 },
        { ...claim, oldSize: -1 },
        { ...claim, newSize: Number.NaN },
      ]
      return verifyConsistency(claim) && forged.every(one => !verifyConsistency(one))
    }),
    { numRuns: 400 },
  )
  const empty = { oldSize: 0, oldRoot: EMPTY_ROOT, newSize: 0, newRoot: EMPTY_ROOT, proof: [] }
  t.ok(verifyConsistency(empty))
  t.notOk(verifyConsistency({ ...empty, newRoot: nodeAt(0, 0), oldRoot: nodeAt(0, 0) }))
  t.notOk(verifyConsistency({ ...empty, oldRoot: nodeAt(0, 0), newSize: 1, newRoot: nodeAt(0, 0) }))
})

t.test(
  'When the beginning of the lines is known by its subtrees alone, then the frontier goes on from them',
  async t => {
    const lines = linesUpTo(45)
    const whole = new Frontier()
    const wrong: number[] = []
    for (const [first, line] of lines.entries()) {
      const resumed = new Frontier(first, whole.peaks())
      for (const later of lines.slice(first)) resumed.addLine(Buffer.concat([Uint8Array.of(0), later]))
      if (!naiveRoot(lines).equals(resumed.root())) wrong.push(first)
      whole.addLine(Buffer.concat([Uint8Array.of(0), line]))
    }
    t.same(wrong, [])
    t.throws(() => new Frontier(5, [EMPTY_ROOT]), RangeError)
  },
)
