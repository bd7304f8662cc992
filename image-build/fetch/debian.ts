/** The archives that the lock file names: from the cache, and otherwise from the mirror. */
import { ImageError } from '../errors.ts'
import type { LockedPackage } from '../lock/lock-file.ts'
import type { Mirror } from '../lock/mirror.ts'
import { type Cache, matches } from './cache.ts'
import { type Ask, download } from './download.ts'
import type { Progress } from './progress.ts'

/** Where packages are fetched from and kept. */
export interface Sources {
  readonly cache: Cache
  readonly mirror: Mirror
  readonly progress: Progress
  /** Nothing but the cache. */
  readonly offline: boolean
  readonly ask?: Ask | undefined
}

/**
 * @returns the archives, in the order of `packages`
 * @throws ImageError where one cannot be had, or is not what the lock file says
 */
export async function fetchPackages(packages: readonly LockedPackage[], sources: Sources): Promise<Buffer[]> {
  const total = packages.reduce((sum, { size }) => sum + size, 0)
  const archives: Buffer[] = []
  let done = 0
  for (const one of packages) {
    const show = (bytes: number) => sources.progress.show(`fetch ${one.name}`, done + bytes, total)
    show(0)
    archives.push(await fetchPackage(one, sources, show))
    done += one.size
  }
  sources.progress.say(`${packages.length} packages, ${(total / 1e6).toFixed(1)} MB, verified`)
  return archives
}

async function fetchPackage(
  one: LockedPackage,
  { cache, mirror, offline, ask }: Sources,
  onProgress: (bytes: number) => void,
): Promise<Buffer> {
  const digest = { algorithm: 'sha256', hex: one.sha256 } as const
  const kept = await cache.get(digest)
  if (kept) return kept
  if (offline)
    throw new ImageError(`${one.name} ${one.version} is not in the cache`, {
      hint: 'build once without --offline',
    })
  const bytes = await download(`${mirror[one.archive]}/${one.path}`, {
    limit: one.size,
    onProgress,
    hintWhenGone: `${one.name} ${one.version} was superseded: refresh the lock with "image lock --refresh"`,
    ...(ask && { ask }),
  })
  if (bytes.length !== one.size || !matches(digest, bytes))
    throw new ImageError(`${one.name} ${one.version} is not what the lock file says: its SHA-256 differs`, {
      hint: 'a mirror that gives other bytes under the same name is broken or hostile: try another one',
    })
  await cache.put(digest, bytes)
  return bytes
}
