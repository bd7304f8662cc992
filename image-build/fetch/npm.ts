/** Packages of npm that are for the device and not for this machine: fetched by npm, checked against `package-lock.json`. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ImageError } from '../errors.ts'
import { runBytes } from '../run.ts'
import { readTar, type TarEntry } from '../unpack/tar.ts'
import { type Cache, type Digest, matches } from './cache.ts'
import type { Progress } from './progress.ts'

/** One package of `package-lock.json`. */
export interface NpmPackage {
  readonly name: string
  readonly version: string
  readonly license: string | null
  readonly digest: Digest
}

/** @throws ImageError where the lock file does not have the package, or without a SHA-512 */
export function npmPackage(lock: string, path: string): NpmPackage {
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { version?: string; integrity?: string; license?: string } | undefined>
  }
  const { version, integrity, license = null } = packages[path] ?? {}
  const [, base64] = /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(integrity ?? '') ?? []
  if (!version || !base64) throw new ImageError(`package-lock.json has no ${path} with a SHA-512`)
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  return {
    name,
    version,
    license,
    digest: { algorithm: 'sha512', hex: Buffer.from(base64, 'base64').toString('hex') },
  }
}

/**
 * The files of a package. npm fetches it, because npm knows where this machine's registry is and how to ask it.
 *
 * @throws ImageError where it cannot be had, or is not what the lock file says
 */
export async function fetchNpm(
  one: NpmPackage,
  { cache, offline, progress }: { cache: Cache; offline: boolean; progress: Progress },
): Promise<TarEntry[]> {
  const what = `${one.name}@${one.version}`
  const kept = await cache.get(one.digest)
  if (kept) return readTar(gunzipSync(kept))
  if (offline) throw new ImageError(`${what} is not in the cache`, { hint: 'build once without --offline' })
  progress.say(`fetch ${what}`)
  const directory = await mkdtemp(join(tmpdir(), 'claviger-npm-'))
  try {
    const options = ['--silent', '--ignore-scripts', '--pack-destination', directory]
    await runBytes('npm', ['pack', what, ...options], undefined, { env: process.env, cwd: directory })
    const [file] = (await readdir(directory)).filter(name => name.endsWith('.tgz'))
    if (!file) throw new ImageError(`npm pack ${what} left no package`)
    const bytes = await readFile(join(directory, file))
    if (!matches(one.digest, bytes))
      throw new ImageError(`${what} is not what package-lock.json says: its SHA-512 differs`)
    await cache.put(one.digest, bytes)
    return readTar(gunzipSync(bytes))
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** @throws ImageError where the package has no such file */
export function fileOf(entries: readonly TarEntry[], path: string): Uint8Array {
  const found = entries.find(entry => entry.kind === 'file' && entry.path === path)
  if (!found) throw new ImageError(`the package has no ${path}`)
  return found.bytes
}
