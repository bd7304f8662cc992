/** Turning entries into durable lines, many at a time (docs/formats/audit.md, "Writing"). */

import { type Entry, formatEntry } from '../../../protocol/audit/entry.ts'
import type { AuditError } from '../../../protocol/audit/errors.ts'
import type { Ballast } from './ballast.ts'
import { GroupCommit } from './commit.ts'
import { diskFull, isDiskFull, unavailable } from './failures.ts'
import { type LogFiles, replaceFile } from './files.ts'
import { nodesFile, SEGMENT_ENTRIES } from './segments.ts'
import type { Tail } from './tail.ts'
import type { LogTree } from './tree.ts'

/** An entry that has no index yet. */
interface Draft {
  entry: Omit<Entry, 'index'>
  /** length of its line at most */
  bytes: number
  administrative: boolean
}

/** What the writer works on. */
export interface Desk {
  files: LogFiles
  tree: LogTree
  tail: Tail
  ballast: Ballast
  /** Why nothing may be written, `null` if it may. */
  refusal: () => AuditError | null
  /** Is told of each batch that became durable. */
  written: (bytes: number) => void
}

/** Bytes after which a batch takes no further entries. */
const BATCH_BYTES = 1_048_576

export class LogWriter {
  readonly #desk: Desk
  readonly #commits = new GroupCommit<Draft, number>(
    drafts => this.#commit(drafts),
    drafts => this.#batchSize(drafts),
  )

  constructor(desk: Desk) {
    this.#desk = desk
  }

  /** Entries that were handed in and are not durable yet. */
  get pending(): number {
    return this.#commits.pending
  }

  /**
   * Writes an entry.
   * @returns its index, once it is durable
   * @throws AuditError `audit-unavailable`, `malformed-request`, `too-large`
   */
  async write(entry: Omit<Entry, 'index'>, administrative: boolean): Promise<number> {
    // As long as an index may be, so that a batch never meets an entry that does not fit.
    const bytes = Buffer.byteLength(formatEntry({ ...entry, index: Number.MAX_SAFE_INTEGER }))
    this.#assertWritable()
    const { ballast } = this.#desk
    if (!administrative && ballast.isSpent && !(await ballast.isKept())) throw diskFull()
    return this.#commits.submit({ entry, bytes, administrative })
  }

  /** When nothing is pending. Never rejects. */
  idle(): Promise<void> {
    return this.#commits.idle()
  }

  #assertWritable(): void {
    const { refusal, tail } = this.#desk
    const reason = refusal()
    if (reason !== null) throw unavailable(reason)
    if (tail.broken !== null) throw unavailable(tail.broken)
  }

  #batchSize(drafts: readonly Draft[]): number {
    const { current } = this.#desk.tree
    const room = current.isFull ? SEGMENT_ENTRIES : SEGMENT_ENTRIES - current.count
    let [count, bytes] = [0, 0]
    while (count < drafts.length && count < room && bytes < BATCH_BYTES) bytes += drafts[count++]!.bytes
    return count
  }

  async #commit(drafts: Draft[]): Promise<number[]> {
    try {
      this.#assertWritable()
      return await this.#append(drafts)
    } catch (cause) {
      const urgent = drafts.some(({ administrative }) => administrative)
      if (!isDiskFull(cause) || !urgent || !this.#desk.ballast.spend()) throw unavailable(cause)
    }
    return this.#append(drafts).catch(cause => {
      throw unavailable(cause)
    })
  }

  async #append(drafts: Draft[]): Promise<number[]> {
    const { tree, tail, written } = this.#desk
    if (tree.current.isFull) await this.#startSegment()
    const start = tree.size
    // Each with the byte before it that makes it the input of a leaf hash.
    const lines = drafts.map(({ entry }, i) =>
      Buffer.from(`\0${formatEntry({ ...entry, index: start + i })}\n`),
    )
    const bytes = Buffer.concat(lines.map(line => line.subarray(1)))
    await tail.append(bytes)
    for (const line of lines) tree.addLine(line.subarray(0, -1))
    written(bytes.length)
    return lines.map((_, i) => start + i)
  }

  async #startSegment(): Promise<void> {
    const { files, tree, tail } = this.#desk
    await replaceFile(files, nodesFile(tree.first), tree.current.bytes, false)
    tree.startSegment()
    tail.next()
  }
}
