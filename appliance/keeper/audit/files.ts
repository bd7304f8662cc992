/**
 * The few file operations the audit log is made of, as an interface, and the real ones on `node:fs`.
 *
 * All but the syncs are calls that return at once, to and from the page cache; each is one step of which a power cut may be
 * the last, so tests can stop after any of them. Failures keep Node's error codes (`ENOENT`, `ENOSPC`, `EIO` …).
 */

import * as fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

/** One directory of files, written by one process at a time. */
export interface LogFiles {
  /** The names in the directory, in no order. */
  list(): string[]
  /** @param mode `append` makes the file if needed, `new` makes it empty */
  open(name: string, mode: 'read' | 'append' | 'new'): LogFile
  /** Gives a file another name, replacing what had it. Atomic. */
  rename(from: string, to: string): void
  unlink(name: string): void
  /** Makes the names in the directory durable. */
  syncDirectory(): Promise<void>
}

/** An open file. */
export interface LogFile {
  /** Length in bytes, and the last change in ms since 1970. */
  stat(): { size: number; modified: number }
  /** Reads at a position. @returns how many bytes, 0 at the end */
  read(into: Uint8Array, position: number): number
  /** Writes at the end. @returns how many bytes were taken, which may be fewer than all */
  write(bytes: Uint8Array): number
  truncate(size: number): void
  /** Makes the content durable. */
  sync(): Promise<void>
  close(): void
}

/** The files of one directory, which is made if it is missing. */
export function directoryFiles(directory: string): LogFiles {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const at = (name: string) => join(directory, name)
  const flags = { read: 'r', append: 'a+', new: 'w+' }
  return {
    list: () => fs.readdirSync(directory),
    open: (name, mode) => openFile(at(name), flags[mode]),
    rename: (from, to) => fs.renameSync(at(from), at(to)),
    unlink: name => fs.unlinkSync(at(name)),
    async syncDirectory() {
      await using handle = await open(directory, 'r')
      await handle.sync()
    },
  }
}

function openFile(path: string, flags: string): LogFile {
  const fd = fs.openSync(path, flags, 0o600)
  /** Node's permission model lets only a handle be synced; a sync is of the file, whoever wrote it. */
  let syncing: Promise<FileHandle> | null = null
  return {
    stat() {
      const { size, mtimeMs } = fs.fstatSync(fd)
      return { size, modified: Math.floor(mtimeMs) }
    },
    read: (into, position) => fs.readSync(fd, into, 0, into.length, position),
    write: bytes => fs.writeSync(fd, bytes),
    truncate: size => fs.ftruncateSync(fd, size),
    async sync() {
      syncing ??= sameFile(path, fd).catch(error => {
        // the next one tries again
        syncing = null
        throw error
      })
      await (await syncing).datasync()
    },
    close() {
      fs.closeSync(fd)
      void syncing?.then(handle => handle.close()).catch(() => {})
    },
  }
}

/** A handle of the file that is open as `fd`. */
async function sameFile(path: string, fd: number): Promise<FileHandle> {
  const handle = await open(path, 'r+')
  const [{ ino, dev }, other] = [fs.fstatSync(fd), await handle.stat()]
  if (other.ino === ino && other.dev === dev) return handle
  await handle.close()
  throw new Error(`${path} was replaced while it was open`)
}

/** Writes all bytes at the end. @throws what the file throws; some of the bytes may have been written then */
export function writeAll(file: LogFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const taken = file.write(bytes.subarray(done))
    if (taken === 0) throw Object.assign(new Error('the disk takes no more bytes'), { code: 'ENOSPC' })
    done += taken
  }
}

/** Fills `into` from a position. @returns how many bytes there were */
export function readFully(file: LogFile, into: Uint8Array, position: number): number {
  let filled = 0
  while (filled < into.length) {
    const taken = file.read(into.subarray(filled), position + filled)
    if (taken === 0) break
    filled += taken
  }
  return filled
}

/**
 * Reads a small file into `into`, as far as it fits.
 * @returns the bytes that were read, a view; `null` if the file is missing
 */
export function readFileInto(files: LogFiles, name: string, into: Buffer): Buffer | null {
  let file: LogFile
  try {
    file = files.open(name, 'read')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return into.subarray(0, readFully(file, into, 0))
  } finally {
    file.close()
  }
}

/**
 * Puts a file in place that is whole at every instant.
 * @param durable whether to wait until a power cut cannot take it
 */
export async function replaceFile(
  files: LogFiles,
  name: string,
  bytes: Uint8Array,
  durable: boolean,
): Promise<void> {
  const next = `${name}.new`
  try {
    const file = files.open(next, 'new')
    try {
      writeAll(file, bytes)
      if (durable) await file.sync()
    } finally {
      file.close()
    }
    files.rename(next, name)
  } catch (error) {
    try {
      files.unlink(next)
    } catch {
      // The next start removes it.
    }
    throw error
  }
  if (durable) await files.syncDirectory()
}
