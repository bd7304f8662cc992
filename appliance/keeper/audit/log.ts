/**
 * The audit log of one namespace (docs/formats/audit.md): an entry is durable before anything follows from it, and what was
 * written once can be proved, forever, by whoever holds a checkpoint.
 *
 * One process writes a log at a time; the lock of the keystore sees to that.
 */

import type { KeyObject } from 'node:crypto'
import type { Entry, EntryBody } from '../../../protocol/audit/entry.ts'
import { AuditError } from '../../../protocol/audit/errors.ts'
import { consistencyProof, inclusionProof, peaksOf, rootHash } from '../../../protocol/audit/merkle.ts'
import { dropSegments } from './archive.ts'
import { visitNewestFirst } from './backwards.ts'
import { Ballast } from './ballast.ts'
import { Checkpoints } from './checkpoints.ts'
import { damaged, full, unavailable } from './failures.ts'
import { directoryFiles, type LogFiles } from './files.ts'
import { NodeReader } from './nodes.ts'
import type { AuditLogOptions, LogClock, LogStats } from './options.ts'
import { LogLines } from './reading.ts'
import { type Recovered, recover } from './recovery.ts'
import { MAX_ENTRIES, SEGMENT_ENTRIES, segmentOf } from './segments.ts'
import { Tail } from './tail.ts'
import type { LogTree } from './tree.ts'
import { type Verdict, verifyLog } from './verification.ts'
import { LogWriter } from './writer.ts'

export type { AuditLogOptions, LogClock, LogStats } from './options.ts'

/** Bytes after which a page of lines ends. */
const PAGE_BYTES = 1_048_576
const CAPACITY = 1_000_000
const RESERVE = 1000

export class AuditLog {
  readonly #files: LogFiles
  readonly #clock: LogClock
  readonly #capacity: number
  readonly #reserve: number
  readonly #nodes: NodeReader
  readonly #tree: LogTree
  readonly #tail: Tail
  readonly #checkpoints: Checkpoints
  readonly #lines: LogLines
  readonly #ballast: Ballast
  readonly #writer: LogWriter
  #oldest: number
  #bytes: number
  #damage: AuditError | null
  #closed = false
  #root: { size: number; bytes: Uint8Array } | null = null
  #archiving: Promise<unknown> = Promise.resolve()

  private constructor(options: AuditLogOptions, files: LogFiles, nodes: NodeReader, found: Recovered) {
    const { origin, clock, capacity = CAPACITY, reserve = RESERVE } = options
    this.#files = files
    this.#clock = clock
    this.#capacity = capacity
    this.#reserve = reserve
    this.#nodes = nodes
    this.#tree = found.tree
    this.#tail = new Tail(files, found.tree.first, found.lastBytes, () => performance.now())
    this.#checkpoints = new Checkpoints(files, origin, () => clock.wall(), found.saved)
    this.#lines = new LogLines(files)
    this.#ballast = new Ballast(files, () => performance.now())
    this.#writer = new LogWriter({
      files,
      tree: this.#tree,
      tail: this.#tail,
      ballast: this.#ballast,
      refusal: () => this.#damage ?? (this.#closed ? unavailable(new Error('the log was closed')) : null),
      written: bytes => this.#written(bytes),
    })
    this.#oldest = found.oldest
    this.#bytes = found.bytes
    this.#damage = found.damage
  }

  /**
   * Reads and checks the whole log. A damaged one opens too, for its entries to be read: see {@link damage}.
   * @throws AuditError `audit-unavailable` if the directory cannot be read
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    try {
      const files = options.files ?? directoryFiles(options.directory)
      const nodes = new NodeReader(files)
      const found = await recover(files, nodes, options.origin, options.visit)
      const log = new AuditLog(options, files, nodes, found)
      if (log.damage === null) await log.#ballast.restore()
      return log
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  /** Entries that were ever written and are durable. */
  get size(): number {
    return this.#tree.size
  }

  /** What is wrong with the log, `audit-damaged`; a damaged log takes no entries and proves nothing. */
  get damage(): AuditError | null {
    return this.#damage
  }

  /** Index of the first entry that is still there. */
  oldest(): number {
    return this.#oldest
  }

  /**
   * Adds an entry.
   * @param options.administrative may use what is kept above the capacity, and on the disk
   * @returns its index, once it is durable
   * @throws AuditError `audit-unavailable`; nothing may be done then
   * @throws AuditError `malformed-request`, `too-large` for a body that makes no entry
   */
  async append(body: EntryBody, options: { administrative?: boolean } = {}): Promise<number> {
    const { wall, up, boot } = { wall: this.#clock.wall(), up: this.#clock.up(), boot: this.#clock.boot }
    const entry = { ...body, time: Math.floor(wall), boot, up: Math.floor(up) }
    const { administrative = false } = options
    const size = this.size + this.#writer.pending
    const limit = this.#capacity + (administrative ? this.#reserve : 0)
    if (this.#damage === null && (size - this.#oldest >= limit || size >= MAX_ENTRIES)) throw full()
    return this.#writer.write(entry, administrative)
  }

  /** Root of the tree over all durable entries. @throws AuditError `audit-damaged` */
  root(): Uint8Array {
    this.#assertWhole()
    const { size } = this
    if (this.#root?.size !== size) this.#root = { size, bytes: rootHash(size, this.#tree.nodeAt) }
    return this.#root.bytes.slice()
  }

  /**
   * The signed checkpoint of all durable entries; without the key, or for a damaged log, the newest one on the disk.
   * `null` if there is none.
   */
  checkpoint(): string | null {
    if (this.#damage !== null) return this.#checkpoints.saved?.text ?? null
    return this.#checkpoints.at(this.size, () => this.root())
  }

  /**
   * The checkpoint for others to see: {@link checkpoint}, once it is on the disk, so that no later one is older than what
   * somebody was shown. Where it cannot be written, say on a full disk, it is the one before.
   */
  async shownCheckpoint(): Promise<string | null> {
    if (this.#damage === null && this.#checkpoints.canSign) await this.#saveCheckpoint().catch(() => {})
    return this.#checkpoints.saved?.text ?? null
  }

  /**
   * Gives the log its private key (Ed25519), or takes it away. If the checkpoint on the disk was not signed with this key,
   * the log is damaged.
   */
  setSigner(privateKey: KeyObject | null): void {
    if (!this.#checkpoints.setSigner(privateKey)) this.#damage ??= damaged('its checkpoint was forged')
  }

  /**
   * Proof that the entry `index` is in the tree of `size`; works for dropped entries too.
   * @throws AuditError `unknown-entry`, `audit-damaged`, `audit-unavailable`
   */
  inclusion(index: number, size: number): Uint8Array[] {
    this.#assertSizes(index, size)
    if (index === size) throw this.#unknown()
    return this.#read(() => inclusionProof(index, size, this.#tree.nodeAt))
  }

  /**
   * Proof that the tree of `newSize` continues that of `oldSize`.
   * @throws AuditError `unknown-entry`, `audit-damaged`, `audit-unavailable`
   */
  consistency(oldSize: number, newSize: number): Uint8Array[] {
    this.#assertSizes(oldSize, newSize)
    return this.#read(() => consistencyProof(oldSize, newSize, this.#tree.nodeAt))
  }

  /**
   * The hashes of the complete subtrees that cover the first `size` entries, which stand for them in an export.
   * @throws AuditError `unknown-entry`, `audit-damaged`, `audit-unavailable`
   */
  peaks(size: number): Uint8Array[] {
    this.#assertSizes(size, size)
    return this.#read(() => peaksOf(size).map(({ level, index }) => this.#tree.nodeAt(level, index)))
  }

  /**
   * Lines from an index on, without newlines: `limit` at most, and no more after `maxBytes` bytes but at least one. Empty at
   * the end of the log. A damaged log shows what it has.
   * @throws AuditError `unknown-entry` for entries that were dropped or are not there yet; `audit-unavailable`
   */
  lines(from: number, limit: number, maxBytes = PAGE_BYTES): string[] {
    if (!Number.isSafeInteger(from) || from < this.#oldest || from > this.size) throw this.#unknown()
    const end = Math.min(from + limit, this.size)
    return this.#read(() => this.#lines.read(from, end, maxBytes, this.#tail.first, this.#tail.bytes))
  }

  /**
   * The leaf hashes of entries as they were written, 32 bytes each. Where a line was changed since, it has another hash.
   * @throws AuditError `unknown-entry`, `audit-unavailable`
   */
  leaves(from: number, limit: number): Uint8Array {
    if (!Number.isSafeInteger(from) || from < 0 || from > this.size) throw this.#unknown()
    const count = Math.min(limit, this.size - from)
    return this.#read(() =>
      Buffer.concat(Array.from({ length: count }, (_, i) => this.#tree.nodeAt(0, from + i))),
    )
  }

  /**
   * Shows lines, newest first, without newlines, until `visit` returns `false` or `most` was shown. A damaged log shows what it has.
   * @returns whether every entry that is there was shown
   * @throws AuditError `audit-unavailable`
   */
  async newestFirst(
    most: { entries: number; bytes: number },
    visit: (line: string) => boolean,
  ): Promise<boolean> {
    try {
      const { first: tail, bytes: tailBytes } = this.#tail
      const extent = { size: this.size, oldest: () => this.#oldest, tail, tailBytes }
      return await visitNewestFirst(this.#files, extent, most, visit)
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  /** Shows each entry that is there, in order; those that cannot be read are passed over. @throws AuditError `audit-unavailable` */
  async replay(visit: (entry: Entry) => void): Promise<void> {
    try {
      const { size, bytes } = { size: this.size, bytes: this.#tail.bytes }
      await this.#lines.visit(this.#oldest, size, this.#tail.first, bytes, visit)
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  /**
   * Reads the whole log again and compares it with what is in memory. What is found damaged stops further work.
   * @throws AuditError `audit-unavailable` if it cannot be read
   */
  async verify(): Promise<Verdict> {
    if (this.#damage !== null) return { ok: false, index: this.#damage.index, message: this.#damage.message }
    try {
      const place = { files: this.#files, tree: this.#tree, tail: this.#tail, oldest: () => this.#oldest }
      const verdict = await verifyLog({ ...place, saved: this.#checkpoints.saved })
      if (!verdict.ok) this.#damage ??= damaged(verdict.message, verdict.index ?? undefined)
      return verdict
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  /**
   * Drops whole segments below `upTo`, which were exported and acknowledged; all proofs go on working. The newest segment
   * always stays.
   * @returns index of the first entry that is still there
   * @throws AuditError `audit-in-use` if no whole segment below `upTo` is left, or none is covered by a signed checkpoint
   * @throws AuditError `audit-damaged`, `audit-unavailable`
   */
  archive(upTo: number): Promise<number> {
    const archiving = this.#archiving.then(() => this.#archive(upTo))
    this.#archiving = archiving.catch(() => {})
    return archiving
  }

  stats(): LogStats {
    const times = this.#tail.syncTimes.toSorted((a, b) => a - b)
    const saved = this.#checkpoints.saved
    return {
      size: this.size,
      oldest: this.#oldest,
      capacity: this.#capacity,
      bytes: this.#bytes,
      fsyncMs: { p50: times[times.length >> 1] ?? 0, max: times.at(-1) ?? 0 },
      checkpoint: saved && { size: saved.checkpoint.size, time: saved.time },
    }
  }

  /** Waits for what is under way, writes the newest checkpoint, and lets go of the files. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writer.idle()
    await this.#archiving
    // The checkpoint can be signed again at the next start; only the entries must be there.
    if (this.#damage === null && this.size > 0) await this.#saveCheckpoint().catch(() => {})
    this.#tail.close()
    this.#nodes.close()
  }

  #assertWhole(): void {
    if (this.#damage !== null) throw this.#damage
  }

  #assertSizes(smaller: number, larger: number): void {
    this.#assertWhole()
    const whole = Number.isSafeInteger(smaller) && Number.isSafeInteger(larger)
    if (!whole || smaller < 0 || smaller > larger || larger > this.size) throw this.#unknown()
  }

  #unknown(): AuditError {
    const hint = `the log has the entries ${this.#oldest} to ${this.size - 1}`
    return new AuditError('unknown-entry', undefined, this.size > this.#oldest ? { hint } : {})
  }

  #read<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw cause instanceof AuditError ? cause : unavailable(cause)
    }
  }

  #written(bytes: number): void {
    this.#bytes += bytes
    // Nobody waits for it, and the next batch tries again.
    if (this.#checkpoints.isDue(this.size)) this.#saveCheckpoint().catch(() => {})
  }

  #saveCheckpoint(): Promise<void> {
    return this.#checkpoints.save(this.size, () => this.root())
  }

  async #archive(upTo: number): Promise<number> {
    this.#assertWhole()
    // A segment that has no entry yet may have no file.
    const newest = this.#tail.bytes > 0 ? this.#tail.first : this.#tail.first - SEGMENT_ENTRIES
    const end = Math.min(segmentOf(upTo), newest)
    if (!Number.isSafeInteger(upTo) || upTo > this.size || end <= this.#oldest)
      throw new AuditError('audit-in-use', 'there is no whole segment of entries to drop', {
        hint: `entries go by ${SEGMENT_ENTRIES}, from ${this.#oldest} on, and the newest ${SEGMENT_ENTRIES} stay`,
      })
    try {
      if (end > (this.#checkpoints.saved?.checkpoint.size ?? 0) && this.#checkpoints.canSign)
        await this.#saveCheckpoint()
      if (end > (this.#checkpoints.saved?.checkpoint.size ?? 0))
        throw new AuditError('audit-in-use', 'no signed checkpoint covers these entries', {
          hint: 'unlock the device first',
        })
      await dropSegments(this.#files, this.#tree, this.#oldest, end, (oldest, bytes) => {
        this.#oldest = oldest
        this.#bytes -= bytes
      })
      await this.#ballast.restore()
      return this.#oldest
    } catch (cause) {
      throw cause instanceof AuditError ? cause : unavailable(cause)
    }
  }
}
