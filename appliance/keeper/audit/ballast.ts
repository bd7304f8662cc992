/**
 * Room on the disk that is kept for getting out of a full one: a file of zeros that is given up when an administrative entry
 * finds no space (docs/formats/audit.md, "Writing"). Without it nobody could write down that the log is archived.
 */

import { isDiskFull } from './failures.ts'
import { type LogFiles, replaceFile } from './files.ts'

const NAME = 'reserve'
/** The reserve of entries, the nodes of a segment, and what a file system needs beside. */
const BYTES = 1_048_576
/** A full disk is asked at most so often. */
const RETRY_MS = 1000

export class Ballast {
  readonly #files: LogFiles
  readonly #now: () => number
  #isSpent = false
  #retryAt = 0

  /** @param now - ms, monotonic */
  constructor(files: LogFiles, now: () => number) {
    this.#files = files
    this.#now = now
  }

  /** True when what room there is belongs to administrative entries. */
  get isSpent(): boolean {
    return this.#isSpent
  }

  /** Whether the room is kept. One that was given up is kept again as soon as there is space, if that is found now. */
  async isKept(): Promise<boolean> {
    if (this.#isSpent && this.#now() >= this.#retryAt) {
      this.#retryAt = this.#now() + RETRY_MS
      await this.restore()
    }
    return !this.#isSpent
  }

  /** Makes the file where it is missing and there is room for it. Never throws: whoever writes next hears why not. */
  async restore(): Promise<void> {
    try {
      if (!this.#isThere()) await replaceFile(this.#files, NAME, Buffer.alloc(BYTES), false)
      this.#isSpent = false
    } catch (error) {
      this.#isSpent ||= isDiskFull(error)
    }
  }

  /** Gives the room up. @returns `false` if there was none */
  spend(): boolean {
    try {
      this.#files.unlink(NAME)
    } catch {
      return false
    }
    this.#isSpent = true
    return true
  }

  #isThere(): boolean {
    if (!this.#files.list().includes(NAME)) return false
    const file = this.#files.open(NAME, 'read')
    try {
      return file.stat().size === BYTES
    } finally {
      file.close()
    }
  }
}
