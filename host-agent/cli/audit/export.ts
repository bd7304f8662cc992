/**
 * `claviger admin audit export`: the log in a folder (docs/formats/audit.md, "Exported folder"). A second export into the
 * same folder adds what is new; one that was interrupted goes on where it ended. The new checkpoint takes its place only
 * after everything under it was verified.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../../../protocol/audit/checkpoint.ts'
import { AuditError } from '../../../protocol/audit/errors.ts'
import {
  CHECKPOINT_NAME,
  entriesName,
  formatPrefix,
  leavesName,
  NODES_NAME,
} from '../../../protocol/audit/export.ts'
import { HASH_BYTES } from '../../../protocol/audit/merkle.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import type { Appliance } from '../../client/appliance.ts'
import { ConnectionError } from '../../client/errors.ts'
import { readHashes, readLogKey } from '../../client/witness.ts'
import type { Progress } from '../terminal.ts'
import { type Folder, readFolder, verifyFolder } from './folder.ts'

/** Most entries in one answer of the device, and in one file. */
const PAGE = 4096
const FILE_ENTRIES = 16_384

export interface Exported {
  /** Index of the first entry in the folder. */
  first: number
  /** Entries that the checkpoint covers. */
  size: number
  /** Entries that were added. */
  added: number
}

export interface ExportOptions {
  appliance: Pick<Appliance, 'auditCheckpoint' | 'auditEntries'>
  logKey: string
  directory: string
  /** Starts a bar. */
  progress(label: string): Progress
}

/**
 * Exports what is not in the folder yet.
 *
 * @throws AuditError `audit-damaged` when the folder is not what was exported; ConnectionError; ApplianceError
 */
export async function exportLog({
  appliance,
  logKey,
  directory,
  progress,
}: ExportOptions): Promise<Exported> {
  const key = readLogKey(logKey)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const before = await readFolder(directory)
  const old = before.checkpoint === null ? null : openCheckpoint(before.checkpoint, key)
  if (old !== null) {
    // Files after the checkpoint are of an export that was interrupted.
    const parts = before.parts.filter(start => start < old.size)
    await verified({ ...before, parts }, before.checkpoint!, logKey, progress('verifying'))
  }
  const { checkpoint } = await appliance.auditCheckpoint()
  const now = checkpoint === null ? null : openCheckpoint(checkpoint, key)
  if (now === null || checkpoint === null)
    throw new ConnectionError('unknown-entry', 'the device has not signed its log yet', {
      hint: 'unlock it first',
    })
  // A locked device shows an older one; a log that was rolled back was noticed when the connection was made.
  if (old !== null && now.size <= old.size) return { first: before.first, size: old.size, added: 0 }

  const bar = progress('exporting')
  const added = await download(appliance, before, now.size, bar).finally(() => bar.end())
  const folder = await readFolder(directory)
  await verified(folder, checkpoint, logKey, progress('verifying'))
  await writeWhole(join(directory, CHECKPOINT_NAME), checkpoint)
  return { first: folder.first, size: now.size, added }
}

async function verified(
  folder: Folder,
  checkpoint: string,
  verifierKey: string,
  bar: Progress,
): Promise<void> {
  try {
    const onProgress = (done: number, total: number) => bar.update(done, total)
    await verifyFolder(folder, { verifierKey, checkpoint, onProgress })
  } catch (cause) {
    if (!(cause instanceof AuditError)) throw cause
    const index = cause.index === null ? {} : { index: cause.index }
    throw new AuditError('audit-damaged', `${folder.directory}: ${cause.message}`, {
      cause,
      ...index,
      hint: 'leave this folder as it is for whoever finds out why, and export into a new one',
    })
  } finally {
    bar.end()
  }
}

/** Adds the entries up to `size`, in files of at most so many. @returns how many there were */
async function download(
  appliance: ExportOptions['appliance'],
  folder: Folder,
  size: number,
  bar: Progress,
): Promise<number> {
  let next = await endOf(folder)
  const isNew = folder.parts.length === 0
  const from = next
  if (next > size)
    throw new ConnectionError(
      'unknown-entry',
      `the device has signed ${size} entries, and ${next} are here`,
      {
        hint: 'a locked device signs nothing: unlock it first',
      },
    )
  while (next < size) {
    const part = await Part.create(folder.directory)
    let start = next
    try {
      while (next < size && next - start < FILE_ENTRIES) {
        const limit = Math.min(PAGE, size - next, FILE_ENTRIES - (next - start))
        const {
          entries: given,
          leaves,
          oldest,
          dropped,
        } = await appliance.auditEntries({ from: next, limit })
        if (oldest > next) {
          if (!isNew || next > from) throw gap(folder.directory, next, oldest)
          await writePrefix(folder.directory, oldest, dropped)
          start = next = oldest
        }
        // The device begins at its oldest entry, and may come to later ones than were asked for.
        const entries = given.slice(0, Math.max(0, size - next))
        const hashes = fromBase64url(leaves ?? '')?.subarray(0, entries.length * HASH_BYTES)
        const isWhole = hashes?.length === entries.length * HASH_BYTES
        if (
          !isWhole ||
          entries.length === 0 ||
          given.length > limit ||
          entries.some(line => line.includes('\n'))
        )
          throw new ConnectionError('bad-response', `the device does not give entry ${next} of its log`)
        await part.add(entries, hashes)
        next += entries.length
        bar.update(next - from, size - from)
      }
      await part.finish(start)
    } finally {
      await part.close()
    }
  }
  return next - from
}

function gap(directory: string, next: number, oldest: number): AuditError {
  return new AuditError('unknown-entry', `the device has no entries from ${next} to ${oldest - 1} any more`, {
    hint: `they were archived from another export than ${directory}: export into a new folder`,
  })
}

async function writePrefix(directory: string, first: number, dropped: string[]): Promise<void> {
  const nodes = readHashes(dropped)
  if (nodes === null)
    throw new ConnectionError('bad-response', 'the device gives no hashes of dropped entries')
  await writeWhole(join(directory, NODES_NAME), formatPrefix({ first, nodes }))
}

/** The index after the last entry of a folder. */
async function endOf({ directory, first, parts }: Folder): Promise<number> {
  const last = parts.at(-1)
  if (last === undefined) return first
  const file = await open(join(directory, leavesName(last))).catch(() => null)
  if (file === null)
    throw new AuditError('audit-damaged', `there is no file ${leavesName(last)}`, {
      hint: 'export into a new folder',
    })
  try {
    return last + Math.floor((await file.stat()).size / HASH_BYTES)
  } finally {
    await file.close()
  }
}

/** One more file of entries and the one of their hashes; both take their names when they are complete. */
class Part {
  readonly #directory: string
  readonly #entries: FileHandle
  readonly #leaves: FileHandle

  private constructor(directory: string, entries: FileHandle, leaves: FileHandle) {
    this.#directory = directory
    this.#entries = entries
    this.#leaves = leaves
  }

  static async create(directory: string): Promise<Part> {
    const make = (name: string) => open(join(directory, name), 'w', 0o600)
    return new Part(directory, await make('entries.part'), await make('leaves.part'))
  }

  /** @param hashes - of the lines as the device wrote them: a line that was changed since does not fit its own */
  async add(lines: readonly string[], hashes: Uint8Array): Promise<void> {
    const bytes = lines.map(line => Buffer.from(line, 'utf8'))
    await this.#entries.appendFile(Buffer.concat(bytes.flatMap(line => [line, Buffer.from('\n')])))
    await this.#leaves.appendFile(hashes)
  }

  /** @param first - index of the first entry */
  async finish(first: number): Promise<void> {
    await Promise.all([this.#entries.sync(), this.#leaves.sync()])
    const place = (from: string, to: string) => rename(join(this.#directory, from), join(this.#directory, to))
    await place('leaves.part', leavesName(first))
    await place('entries.part', entriesName(first))
  }

  async close(): Promise<void> {
    await Promise.all([this.#entries.close(), this.#leaves.close()])
  }
}

/** Writes a file that is there as a whole or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(`${path}.part`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.part`, path)
}
