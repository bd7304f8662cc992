/**
 * The segment that is being written: appending, and taking back what did not arrive whole
 * (docs/formats/audit.md, "Writing").
 */

import { entriesName } from '../../../protocol/audit/export.ts'
import { type LogFile, type LogFiles, writeAll } from './files.ts'
import { SEGMENT_ENTRIES } from './segments.ts'

/** Syncs whose times are kept. */
const TIMES = 256

export class Tail {
  readonly #files: LogFiles
  readonly #now: () => number
  #first: number
  #bytes: number
  #file: LogFile | null = null
  #broken: unknown = null
  readonly #times: number[] = []

  /**
   * @param first index of the segment's first entry
   * @param bytes length of its complete lines
   * @param now ms, monotonic
   */
  constructor(files: LogFiles, first: number, bytes: number, now: () => number) {
    this.#files = files
    this.#first = first
    this.#bytes = bytes
    this.#now = now
  }

  /** Index of the segment's first entry. */
  get first(): number {
    return this.#first
  }

  /** Bytes that are durable. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Why nothing may be written any more, `null` if it may. After a failed sync the kernel may call pages clean that are
   * not on the disk, so that a later success would say nothing.
   */
  get broken(): unknown {
    return this.#broken
  }

  /** Ms of the last syncs. */
  get syncTimes(): readonly number[] {
    return this.#times
  }

  /**
   * Adds lines and makes them durable.
   * @throws what the files throw; nothing of the lines is left then, or the tail is {@link broken}
   */
  async append(lines: Uint8Array): Promise<void> {
    if (this.#broken !== null) throw this.#broken
    this.#file ??= await this.#openFile()
    try {
      writeAll(this.#file, lines)
    } catch (error) {
      this.#takeBack(this.#file)
      throw error
    }
    const start = this.#now()
    try {
      await this.#file.sync()
    } catch (error) {
      this.#takeBack(this.#file)
      this.#broken = error
      throw error
    }
    this.#bytes += lines.length
    this.#times.push(this.#now() - start)
    if (this.#times.length > TIMES) this.#times.shift()
  }

  /** Goes on to the next segment, whose file appears with its first lines. */
  next(): void {
    this.close()
    this.#first += SEGMENT_ENTRIES
    this.#bytes = 0
  }

  close(): void {
    this.#file?.close()
    this.#file = null
  }

  async #openFile(): Promise<LogFile> {
    const file = this.#files.open(entriesName(this.#first), 'append')
    try {
      // A name that is not durable would take durable lines with it.
      if (this.#bytes === 0) await this.#files.syncDirectory()
    } catch (error) {
      this.#broken = error
      file.close()
      throw error
    }
    return file
  }

  #takeBack(file: LogFile): void {
    try {
      file.truncate(this.#bytes)
    } catch (error) {
      this.#broken = error
    }
  }
}
