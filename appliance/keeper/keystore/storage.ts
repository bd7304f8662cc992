/**
 * The few file operations the keystore is made of, as an interface, and the real ones on `node:fs/promises`.
 *
 * Names are plain file names in one directory. Each operation is one step of which a power cut may be the last, so
 * tests can stop after any of them. Failures keep Node's error codes (`ENOENT`, `EEXIST`, `ENOSPC`, `EIO` …).
 */

import { link, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** One directory of files, owned by one process at a time. */
export interface Storage {
  /** The names in the directory, in no order. */
  list(): Promise<string[]>
  /** The whole file. @throws `EFBIG` if it has more than `maxBytes` bytes, before any of them is read. */
  read(name: string, maxBytes: number): Promise<Uint8Array>
  /** Makes a file that must not exist yet, readable by its owner alone. Not durable before {@link syncFile}. */
  writeNew(name: string, bytes: Uint8Array): Promise<void>
  /** Makes the content of a file durable; its name is durable only after {@link syncDirectory}. */
  syncFile(name: string): Promise<void>
  /** Makes the names in the directory durable. */
  syncDirectory(): Promise<void>
  /** Gives a file another name, replacing what had it. Atomic. */
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name. @throws `EEXIST` if the name is taken: exactly one of two callers gets it. */
  link(from: string, to: string): Promise<void>
  unlink(name: string): Promise<void>
  /** Adds bytes at the end of a file, making it if needed, and makes them durable. */
  append(name: string, bytes: Uint8Array): Promise<void>
}

/** True if `error` is Node's error with this code, e.g. `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}

/** Removes a file that may be missing. */
export async function unlinkIfPresent(storage: Storage, name: string): Promise<void> {
  try {
    await storage.unlink(name)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

/** The files of one existing directory. */
export function directoryStorage(directory: string): Storage {
  const at = (name: string) => join(directory, name)
  return {
    list: () => readdir(directory),
    rename: (from, to) => rename(at(from), at(to)),
    link: (from, to) => link(at(from), at(to)),
    unlink: name => unlink(at(name)),
    syncFile: name => sync(at(name), 'r+'),
    syncDirectory: () => sync(directory, 'r'),
    async read(name, maxBytes) {
      await using file = await open(at(name), 'r')
      const { size } = await file.stat()
      if (size > maxBytes) throw Object.assign(new Error(`${name} has ${size} bytes`), { code: 'EFBIG' })
      const bytes = new Uint8Array(size)
      let filled = 0
      while (filled < size) {
        const { bytesRead } = await file.read(bytes, filled, size - filled, filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    },
    async writeNew(name, bytes) {
      await using file = await open(at(name), 'wx', 0o600)
      await file.writeFile(bytes)
    },
    async append(name, bytes) {
      await using file = await open(at(name), 'a', 0o600)
      await file.writeFile(bytes)
      await file.sync()
    },
  }
}

async function sync(path: string, flags: string): Promise<void> {
  await using file = await open(path, flags)
  await file.sync()
}
