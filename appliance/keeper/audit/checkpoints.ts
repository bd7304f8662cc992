/**
 * The newest checkpoint of the log: signed when somebody asks while the key is there, and kept in a file so that a locked
 * device has one to show and notices when its own disk was put back (docs/formats/audit.md, "Checkpoint").
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  type Checkpoint,
  formatVerifierKey,
  openCheckpoint,
  readCheckpoint,
  signCheckpoint,
} from '../../../protocol/audit/checkpoint.ts'
import { CheckpointError } from '../../../protocol/audit/errors.ts'
import { CHECKPOINT_NAME } from '../../../protocol/audit/export.ts'
import { type LogFiles, readFileInto, replaceFile } from './files.ts'

/** Entries after which the newest checkpoint is written again. */
const SAVE_AFTER = 256
const MAX_FILE_BYTES = 8192

/** A checkpoint that is on the disk. */
export interface SavedCheckpoint {
  text: string
  checkpoint: Checkpoint
  /** when it was written, ms since 1970 */
  time: number
}

/** The checkpoint on the disk, whoever signed it. @throws what the files throw */
export function readSaved(files: LogFiles): SavedCheckpoint | null | 'damaged' {
  const bytes = readFileInto(files, CHECKPOINT_NAME, Buffer.alloc(MAX_FILE_BYTES + 1))
  if (bytes === null) return null
  const text = bytes.toString()
  try {
    const file = files.open(CHECKPOINT_NAME, 'read')
    const { modified } = file.stat()
    file.close()
    return { text, checkpoint: readCheckpoint(text), time: modified }
  } catch (error) {
    if (error instanceof CheckpointError) return 'damaged'
    throw error
  }
}

export class Checkpoints {
  readonly #files: LogFiles
  readonly #origin: string
  readonly #wall: () => number
  #saved: SavedCheckpoint | null
  #signer: KeyObject | null = null
  #newest: { text: string; size: number } | null = null
  #saving: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(files: LogFiles, origin: string, wall: () => number, saved: SavedCheckpoint | null) {
    this.#files = files
    this.#origin = origin
    this.#wall = wall
    this.#saved = saved
  }

  get saved(): SavedCheckpoint | null {
    return this.#saved
  }

  get canSign(): boolean {
    return this.#signer !== null
  }

  /**
   * Takes the log's private key, or forgets it.
   * @returns `false` if the checkpoint on the disk was not signed with it
   */
  setSigner(signer: KeyObject | null): boolean {
    this.#signer = signer
    this.#newest = null
    if (signer === null || this.#saved === null) return true
    try {
      openCheckpoint(this.#saved.text, formatVerifierKey(this.#origin, createPublicKey(signer)))
      return true
    } catch {
      return false
    }
  }

  /** The checkpoint of this size, or the one on the disk where it cannot be signed. */
  at(size: number, root: () => Uint8Array): string | null {
    if (this.#signer === null) return this.#saved?.text ?? null
    if (this.#newest?.size !== size) {
      const text = signCheckpoint({ origin: this.#origin, size, root: root() }, this.#origin, this.#signer)
      this.#newest = { text, size }
    }
    return this.#newest.text
  }

  /** True when the checkpoint on the disk has fallen behind, and none is being written. */
  isDue(size: number): boolean {
    return (
      this.#signer !== null && this.#waiting === 0 && size - (this.#saved?.checkpoint.size ?? 0) >= SAVE_AFTER
    )
  }

  /** Writes the checkpoint of this size, after any that is being written. @throws what the files throw */
  async save(size: number, root: () => Uint8Array): Promise<void> {
    const text = this.#signer === null ? null : this.at(size, root)
    this.#waiting += 1
    const before = this.#saving
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#saving = promise
    try {
      await before
      if (text !== null) await this.#write(text)
    } finally {
      this.#waiting -= 1
      resolve()
    }
  }

  async #write(text: string): Promise<void> {
    const checkpoint = readCheckpoint(text)
    if (this.#saved !== null && checkpoint.size <= this.#saved.checkpoint.size) return
    await replaceFile(this.#files, CHECKPOINT_NAME, Buffer.from(text), true)
    this.#saved = { text, checkpoint, time: this.#wall() }
  }
}
