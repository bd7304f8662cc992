/**
 * Verifying an exported log offline, with nothing but the device's public log key (docs/formats/audit.md, "Verifying").
 *
 * Lines are fed in order and cut anyhow; memory stays constant. Whether they are the log is decided by the signed root alone.
 * Where they are not, checksums and leaf hashes name the entry: those are trusted only so far as they add up to that root.
 */

import { openCheckpoint, type VerifierKey } from './checkpoint.ts'
import { hasRightCrc, MAX_LINE_BYTES } from './entry.ts'
import { AuditError } from './errors.ts'
import { NODES_NAME, parsePrefix } from './export.ts'
import { Frontier, leafText } from './frontier.ts'
import { HASH_BYTES } from './merkle.ts'

/** What is known before the first line. */
export interface ExportHead {
  /** text of the file `checkpoint` */
  checkpoint: string
  verifierKey: string | VerifierKey
  /** text of the file `nodes.json`, where there is one */
  nodes?: string
  /** The exported leaf hash of an entry, `null` where there is none. */
  leafAt?: (index: number) => Uint8Array | null
}

/** An export that is what the device signed. */
export interface VerifiedExport {
  /** entries in the log, those that were dropped before included */
  size: number
  /** entries that were verified */
  entries: number
  root: Uint8Array
}

const NEWLINE = 0x0a

export class ExportVerifier {
  /** Index of the first line that is expected. */
  readonly first: number
  /** Entries that the checkpoint covers. */
  readonly size: number
  readonly #root: Uint8Array
  readonly #leafAt: (index: number) => Uint8Array | null
  readonly #lines: Frontier
  /** The tree of the exported leaf hashes, once those and the lines part. */
  #leaves: Frontier | null = null
  #differing: number | null = null
  #malformed: number | null = null
  #surplus = false
  /** 0x00 and the beginning of a line whose end has not come. */
  #held = Buffer.alloc(4096)
  #heldBytes = 1

  /**
   * @throws CheckpointError `bad-checkpoint`
   * @throws AuditError `bad-key`, `audit-damaged`
   */
  constructor({ checkpoint, verifierKey, nodes, leafAt = () => null }: ExportHead) {
    const { size, root } = openCheckpoint(checkpoint, verifierKey)
    const prefix = nodes === undefined ? { first: 0, nodes: [] } : parsePrefix(nodes)
    if (prefix.first > size) throw new AuditError('audit-damaged', `${NODES_NAME} is of a longer log`)
    this.first = prefix.first
    this.size = size
    this.#root = root
    this.#leafAt = leafAt
    this.#lines = new Frontier(prefix.first, prefix.nodes)
  }

  /** Takes the next bytes of the lines, newlines included. @throws AuditError `audit-damaged` */
  push(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let start = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start)
      this.#hold(chunk, start, end === -1 ? chunk.length : end)
      if (end === -1) return
      this.#addLine(this.#held.subarray(0, this.#heldBytes))
      this.#heldBytes = 1
      start = end + 1
    }
  }

  /**
   * Says whether those were the lines that the device signed.
   * @throws AuditError `audit-damaged`, with the index of the first bad entry where that can be known
   */
  finish(): VerifiedExport {
    const { size } = this.#lines
    if (this.#heldBytes > 1) this.#malformed ??= size
    const complete = size === this.size && !this.#surplus && this.#heldBytes === 1
    const root = this.#lines.root()
    if (complete && isEqual(root, this.#root)) return { size, entries: size - this.first, root }
    throw this.#verdict()
  }

  #verdict(): AuditError {
    const { size } = this.#lines
    if (this.#leavesAreRight()) return named(this.#differing ?? size)
    if (this.#malformed !== null) return named(this.#malformed)
    if (size < this.size)
      return new AuditError('audit-damaged', `entry ${size} and those after it are missing`, { index: size })
    if (this.#surplus)
      return new AuditError(
        'audit-damaged',
        `entry ${size} and those after it are not covered by the checkpoint`,
        {
          index: size,
        },
      )
    return new AuditError('audit-damaged', 'the entries are not those that the checkpoint was signed for')
  }

  /** Leaf hashes that add up to the signed root are those of the device. */
  #leavesAreRight(): boolean {
    const leaves = this.#leaves ?? this.#lines.fork()
    for (let index = leaves.size; index < this.size; index++) {
      const stored = this.#storedLeaf(index)
      if (stored === null) return false
      leaves.addLeaf(stored)
    }
    return isEqual(leaves.root(), this.#root)
  }

  #addLine(input: Buffer): void {
    const index = this.#lines.size
    if (index >= this.size) {
      this.#surplus = true
      return
    }
    const leaf = leafText(input)
    const stored = this.#storedLeaf(index)
    if (stored === null && this.#malformed === null && !hasRightCrc(input.subarray(1)))
      this.#malformed = index
    if (this.#leaves !== null) {
      if (stored !== null) this.#leaves.addLeaf(stored)
    } else if (stored !== null && stored !== leaf) {
      this.#differing = index
      this.#leaves = this.#lines.fork()
      this.#leaves.addLeaf(stored)
    }
    this.#lines.addLeaf(leaf)
  }

  /** The exported leaf hash, one character per byte. */
  #storedLeaf(index: number): string | null {
    const leaf = this.#leafAt(index)
    return leaf?.length === HASH_BYTES
      ? Buffer.from(leaf.buffer, leaf.byteOffset, leaf.length).toString('latin1')
      : null
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const length = this.#heldBytes + (end - start)
    if (length > MAX_LINE_BYTES + 1) throw named(this.#lines.size)
    if (length > this.#held.length) {
      const larger = Buffer.alloc(Math.min(2 * length, MAX_LINE_BYTES + 1))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes = length
  }
}

function named(index: number): AuditError {
  return new AuditError('audit-damaged', `entry ${index} is not what the device wrote`, { index })
}

const isEqual = (a: Uint8Array, b: Uint8Array) => a.length === HASH_BYTES && Buffer.compare(a, b) === 0
