/** Files of this repository and of this machine that several commands use. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ImageError } from './errors.ts'
import { type LockFile, parseLockFile } from './lock/lock-file.ts'
import { chooseMirror, type Mirror } from './lock/mirror.ts'

/** The repository. */
export const ROOT = fileURLToPath(new URL('../', import.meta.url))
export const LOCK_FILE = fileURLToPath(new URL('./packages.lock.json', import.meta.url))

/** @throws ImageError where it is missing or not as it has to be */
export async function readLockFile(path = LOCK_FILE): Promise<LockFile> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new ImageError(`packages.lock.json cannot be read: ${error.message}`, {
      hint: 'make it with "image lock --refresh"',
    })
  })
  return parseLockFile(text)
}

/** The mirror that somebody named, or that this machine's apt uses, or Debian's own. */
export async function machineMirror(named = process.env.CLAVIGER_DEBIAN_MIRROR): Promise<Mirror> {
  const apt = '/etc/apt'
  const parts = await readdir(join(apt, 'sources.list.d')).catch(() => [])
  const names = ['sources.list', ...parts.sort().map(name => `sources.list.d/${name}`)]
  const sources = await Promise.all(
    names.map(async name => ({ name, text: await readFile(join(apt, name), 'utf8').catch(() => '') })),
  )
  return chooseMirror(sources, named)
}
