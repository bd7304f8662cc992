/** The log of the test vector in docs/formats/audit.md. */

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { formatVerifierKey, signCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { type Entry, formatEntry } from '../../protocol/audit/entry.ts'
import {
  inclusionProof,
  leafHash,
  type NodeAt,
  nodeHash,
  peaksOf,
  rootHash,
} from '../../protocol/audit/merkle.ts'

export const ORIGIN = 'claviger/default'

/** RFC 8410 §7 around a private key of 32 bytes 0x42. */
export const LOG_KEY = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 0x42)]),
  format: 'der',
  type: 'pkcs8',
})
export const VERIFIER_KEY = formatVerifierKey(ORIGIN, createPublicKey(LOG_KEY))

const boot = '6f1a3c52-0b7d-4c8e-9a51-2f0e8d7c6b5a'
const ENTRIES: Entry[] = [
  {
    index: 0,
    time: 1795374000000,
    boot,
    up: 61_250,
    agent: 'till-1',
    role: 'operator',
    action: 'unlock',
    outcome: 'allowed',
    detail: { slot: 'staff/till-1', triesLeft: 8 },
  },
  {
    index: 1,
    time: 1795374004125,
    boot,
    up: 65_375,
    agent: 'till-1',
    role: 'operator',
    action: 'decrypt',
    outcome: 'allowed',
    purpose: 'ship',
    reason: 'Etiketten für Größe L',
    items: [
      { key: 'orders@3', field: 'address.ship', reveal: 'full', records: ['orders/10423'], grant: 'labels' },
      {
        key: 'orders@3',
        field: 'card.number',
        reveal: 'full',
        records: ['orders/10423'],
        code: 'not-granted',
      },
    ],
    count: 1,
  },
  {
    index: 2,
    time: 1795374009001,
    boot,
    up: 70_251,
    agent: '',
    role: '',
    action: 'decrypt',
    outcome: 'refused',
    code: 'unknown-agent',
  },
]

export const VECTOR_LINES = ENTRIES.map(formatEntry)

/** The complete subtrees of some lines. */
export function treeOf(lines: readonly string[]): NodeAt {
  const known = new Map<string, Uint8Array>()
  const nodeAt: NodeAt = (level, index) => {
    const name = `${level}/${index}`
    const node =
      known.get(name) ??
      (level === 0
        ? leafHash(Buffer.from(lines[index]!))
        : nodeHash(nodeAt(level - 1, 2 * index), nodeAt(level - 1, 2 * index + 1)))
    known.set(name, node)
    return node
  }
  return nodeAt
}

/** An export of the entries from `first` on, of a log of these lines. */
export function exportOf(lines: readonly string[], first = 0) {
  const nodeAt = treeOf(lines)
  const root = rootHash(lines.length, nodeAt)
  return {
    text: lines
      .slice(first)
      .map(line => `${line}\n`)
      .join(''),
    checkpoint: signCheckpoint({ origin: ORIGIN, size: lines.length, root }, ORIGIN, LOG_KEY),
    prefix: { first, nodes: peaksOf(first).map(({ level, index }) => nodeAt(level, index)) },
    leaves: Buffer.concat(lines.map((_, index) => nodeAt(0, index))),
    root,
  }
}

/** Everything that the vector shows, by the name of its block. */
export function vector(): Record<string, string> {
  const { checkpoint, root } = exportOf(VECTOR_LINES)
  const nodeAt = treeOf(VECTOR_LINES)
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  return {
    lines: VECTOR_LINES.map(line => `${line}\n`).join(''),
    leaves: VECTOR_LINES.map((_, i) => `${hex(nodeAt(0, i))}\n`).join(''),
    root: `${hex(root)}\n`,
    inclusion: inclusionProof(1, 3, nodeAt)
      .map(node => `${hex(node)}\n`)
      .join(''),
    checkpoint,
    key: `${VERIFIER_KEY}\n`,
  }
}
