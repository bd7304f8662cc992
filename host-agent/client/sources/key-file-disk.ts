/**
 * Key files on the disk: read, made, and replaced so that under the name there is a whole file at every instant. Who replaces one is alone
 * (`FILE.lock`), and looks whether the file is still what was read before, so that no version of a key is lost between two who rotate.
 * So a `FILE.new` that is there already is of a run that was cut off. It was told to nobody, and is written over; but where there is no
 * `FILE`, it may be the only copy there is: a whole one becomes the file.
 */
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { alone } from './file-lock.ts'
import {
  formatKeyFile,
  type Header,
  KeyFileError,
  MAX_FILE_BYTES,
  newHeader,
  openKeyFile,
  parseKeyFile,
  sealKeyFile,
  stretchHeader,
} from './key-file.ts'
import type { KeyRing } from './key-ring.ts'
import { SourceError } from './source.ts'
import { type Cost, demandPassphrase } from './stretch.ts'

/** Whoever copies the file can try passphrases for as long as they like. */
export const FILE_PASSPHRASE = {
  characters: 12,
  different: 6,
  hint: 'take four words or more that have nothing to do with each other',
}

/**
 * @returns the caller's to zero
 * @throws SourceError `bad-source` where there is no such file; KeyFileError `key-file-refused`
 */
export async function readKeyFile(path: string, passphrase: string): Promise<KeyRing> {
  const text = await readText(path)
  if (text === null)
    throw new SourceError('bad-source', `there is no key file ${path}`, {
      hint: 'claviger key create makes one',
    })
  const { ring, key } = await opened(text, passphrase)
  key.fill(0)
  return ring
}

/**
 * Changes what is in a key file, or makes it. When this resolves, the new file is durable.
 *
 * @param change - alters the ring, or throws; `null` where there is no file yet
 * @param cost - of a new file; less than the default is for tests
 * @returns what the file holds now, the caller's to zero
 * @throws SourceError `bad-source`, `storage-failed`, `malformed-request` for a weak passphrase of a new file, and what `change`
 * throws; KeyFileError `key-file-refused`
 */
export async function changeKeyFile(
  path: string,
  passphrase: string,
  change: (ring: KeyRing | null) => KeyRing,
  cost?: Cost,
): Promise<KeyRing> {
  const text = (await readText(path)) ?? (await finishFirst(path))
  if (text === null) demandPassphrase(passphrase, FILE_PASSPHRASE)
  const old = text === null ? await fresh(passphrase, cost) : await opened(text, passphrase)
  try {
    const ring = change(old.ring)
    await replace(path, text, formatKeyFile(sealKeyFile(ring, old.header, old.key)))
    return ring
  } finally {
    old.key.fill(0)
  }
}

/**
 * @param from - what is in the file, by what was read of it; `null` for none
 * @throws SourceError `bad-source` when that is no longer so, `storage-failed`
 */
async function replace(path: string, from: string | null, to: string): Promise<void> {
  await locked(path, async () => {
    if ((await readText(path)) !== from) throw changing(path)
    const next = nextOf(path)
    let isPlaced = false
    try {
      await stored(path, async () => {
        if (from !== null) await rm(next, { force: true })
        // For its user only.
        const file = await open(next, 'wx', 0o600)
        try {
          await file.writeFile(to)
          await file.sync()
        } finally {
          await file.close()
        }
        // link(2) never replaces a file that came between.
        if (from === null) await link(next, path)
        else await rename(next, path)
        isPlaced = from !== null
        await syncDirectory(dirname(path))
      })
    } finally {
      if (!isPlaced) await rm(next, { force: true }).catch(() => {})
    }
  })
}

/**
 * Where there is no file, but a whole new one that a run left when it was cut off, that becomes the file; what is not whole is removed.
 * @returns its text, `null` where there is none
 */
async function finishFirst(path: string): Promise<string | null> {
  const next = nextOf(path)
  if ((await readText(next)) === null) return null
  return locked(path, async () => {
    const [is, left] = [await readText(path), await readText(next)]
    if (is !== null || left === null) return is
    const isWhole = isKeyFile(left)
    await stored(path, async () => {
      if (isWhole) await link(next, path)
      await rm(next)
      await syncDirectory(dirname(path))
    })
    return isWhole ? left : null
  })
}

const nextOf = (path: string) => `${path}.new`

function isKeyFile(text: string): boolean {
  try {
    parseKeyFile(text)
    return true
  } catch {
    return false
  }
}

/** @throws SourceError `bad-source` where another is at it, `storage-failed` */
async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  const done = await alone(`${path}.lock`, work).catch(cause => {
    if (cause instanceof SourceError || cause instanceof KeyFileError) throw cause
    throw new SourceError('storage-failed', `${path}.lock cannot be used: ${(cause as Error).message}`, {
      cause,
    })
  })
  if (!done) throw changing(path)
  return done.value
}

function changing(path: string): SourceError {
  return new SourceError('bad-source', `another claviger has just changed ${path}`, { hint: 'try again' })
}

async function fresh(passphrase: string, cost: Cost | undefined) {
  const header = newHeader(cost)
  return { header, key: await stretchHeader(passphrase, header), ring: null }
}

async function opened(
  text: string,
  passphrase: string,
): Promise<{ header: Header; key: Uint8Array; ring: KeyRing }> {
  const file = parseKeyFile(text)
  const key = await stretchHeader(passphrase, file)
  try {
    return { header: file, key, ring: openKeyFile(file, key) }
  } catch (error) {
    key.fill(0)
    throw error
  }
}

/** @returns `null` where there is no file */
async function readText(path: string): Promise<string | null> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unreadable(path, cause)
  }
  try {
    const { size } = await file.stat()
    if (size > MAX_FILE_BYTES) throw new KeyFileError()
    return await file.readFile('utf8')
  } catch (cause) {
    throw cause instanceof KeyFileError ? cause : unreadable(path, cause)
  } finally {
    await file.close()
  }
}

async function stored(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new SourceError(
      'storage-failed',
      `${path} could not be written: ${code ?? (cause as Error).message}`,
      { cause },
    )
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories.
  if (process.platform === 'win32') return
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function unreadable(path: string, cause: unknown): SourceError {
  return new SourceError('bad-source', `${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, {
    cause,
  })
}
