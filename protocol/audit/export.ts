/**
 * The folder that a log is exported to (docs/formats/audit.md, "Exported folder"): names of its files, and the nodes that
 * stand for entries which were exported and dropped before.
 */

import { AuditError } from './errors.ts'
import { HASH_BYTES, peaksOf } from './merkle.ts'

/** The signed checkpoint of all entries. */
export const CHECKPOINT_NAME = 'checkpoint'
/** The nodes in place of the entries before the first; only where that is not entry 0. */
export const NODES_NAME = 'nodes.json'

/** Lines of entries. @param first index of the first of them */
export function entriesName(first: number): string {
  return `entries-${digits(first)}.jsonl`
}

/** Leaf hashes of the entries in {@link entriesName}, 32 bytes each. */
export function leavesName(first: number): string {
  return `leaves-${digits(first)}.bin`
}

/** The complete subtrees that cover the entries [0, first). */
export interface PrefixNodes {
  first: number
  /** in the order of {@link peaksOf} */
  nodes: Uint8Array[]
}

/** The content of {@link NODES_NAME}. */
export function formatPrefix({ first, nodes }: PrefixNodes): string {
  return `${JSON.stringify({ first, nodes: nodes.map(node => Buffer.from(node).toString('base64')) })}\n`
}

/** @throws AuditError `audit-damaged` unless the text is exactly what {@link formatPrefix} gives */
export function parsePrefix(text: string): PrefixNodes {
  const bad = new AuditError('audit-damaged', `${NODES_NAME} is not a list of nodes`)
  let value: { first?: unknown; nodes?: unknown } | null
  try {
    value = JSON.parse(text)
  } catch {
    throw bad
  }
  const { first, nodes } = value ?? {}
  if (!Number.isSafeInteger(first) || (first as number) < 0 || !Array.isArray(nodes)) throw bad
  if (!nodes.every(node => typeof node === 'string')) throw bad
  const prefix = { first: first as number, nodes: nodes.map(node => Buffer.from(node, 'base64')) }
  if (prefix.nodes.length !== peaksOf(prefix.first).length) throw bad
  if (prefix.nodes.some(node => node.length !== HASH_BYTES) || formatPrefix(prefix) !== text) throw bad
  return prefix
}

const digits = (first: number) => String(first).padStart(9, '0')
