/**
 * Resolves the wanted packages anew: signed Release → SHA-256 of each Packages index → SHA-256 of each archive. Nothing that
 * was fetched is looked at before its hash was.
 */

import { ImageError } from '../errors.ts'
import { matches } from '../fetch/cache.ts'
import { type Ask, download } from '../fetch/download.ts'
import type { Progress } from '../fetch/progress.ts'
import { xzDecompress } from '../unpack/decompress.ts'
import type { LockedPackage, LockFile, PackageSet } from './lock-file.ts'
import type { Mirror } from './mirror.ts'
import { type Offer, parsePackages } from './packages.ts'
import { parseRelease } from './release.ts'
import { signedText } from './signature.ts'
import { compareVersions } from './versions.ts'
import { KERNEL, KERNEL_PARTS, SUITES, WANTED } from './wanted.ts'

const CODENAME = 'trixie'
const MAX_RELEASE = 8 * 1024 * 1024

/** What resolving uses besides the list of what is wanted. */
export interface RefreshOptions {
  readonly mirror: Mirror
  readonly progress: Progress
  /** Seconds since 1970. */
  readonly now: number
  readonly keyring?: string | undefined
  readonly ask?: Ask | undefined
}

/** An offer and where it was made. */
interface Found extends Offer {
  readonly archive: LockedPackage['archive']
  readonly component: string
  readonly sets: readonly PackageSet[]
}

/** @throws ImageError where a signature or a hash does not hold, or a package is nowhere */
export async function refreshLock(options: RefreshOptions): Promise<LockFile> {
  const found: Found[] = []
  let date = 0
  for (const { archive, suite, components, sets } of SUITES) {
    const base = `${options.mirror[archive]}/dists/${suite}`
    const inRelease = await get(`${base}/InRelease`, MAX_RELEASE, options)
    const release = parseRelease(await signedText(inRelease, options.keyring))
    options.progress.say(`${suite} of ${new Date(release.date * 1000).toISOString()}, signature verified`)
    if (!release.codename.startsWith(CODENAME))
      throw new ImageError(`${suite} says it is ${release.codename}`)
    if (release.validUntil !== null && release.validUntil < options.now)
      throw new ImageError(`what the mirror shows of ${suite} is too old`, {
        hint: 'name another with --mirror',
      })
    date = Math.max(date, release.date)
    for (const component of components) {
      const path = `${component}/binary-arm64/Packages.xz`
      const index = release.indices.get(path)
      if (!index) throw new ImageError(`${suite} has no ${path}`)
      const packed = await get(`${base}/${path}`, index.size, options)
      if (packed.length !== index.size || !matches({ algorithm: 'sha256', hex: index.sha256 }, packed))
        throw new ImageError(`${suite}: ${path} is not what Release says`, {
          hint: 'the mirror may be in the middle of an update: try again later',
        })
      const text = (await xzDecompress(packed)).toString('utf8')
      for (const offer of parsePackages(text, isInteresting))
        found.push({ ...offer, archive, component, sets })
    }
  }
  return { version: 1, codename: CODENAME, architecture: 'arm64', date, packages: resolve(found) }
}

/** Takes the newest of each package that an image is made of. */
export function resolve(found: readonly Found[]): LockedPackage[] {
  const pick = (set: PackageSet, name: string): Found => {
    const offers = found.filter(offer => offer.name === name && offer.sets.includes(set))
    const [best] = offers.sort((a, b) => compareVersions(b.version, a.version))
    if (!best) throw new ImageError(`no suite has the package ${name}`)
    return best
  }
  const lock = (set: PackageSet, one: Found): LockedPackage => {
    const { name, version, archive, component, path, sha256, size } = one
    return { name, version, set, archive, component, path, sha256, size }
  }
  const kernels = (['kernel-stable', 'kernel-backports'] as const).flatMap(set =>
    pick(set, KERNEL)
      .depends.flatMap(name => [name, ...pick(set, name).depends])
      .filter((name, i, all) => KERNEL_PARTS.test(name) && all.indexOf(name) === i)
      .map(name => lock(set, pick(set, name))),
  )
  return [...WANTED.map(({ name }) => lock('base', pick('base', name))), ...kernels]
}

function isInteresting(name: string): boolean {
  return name.startsWith('linux-') || WANTED.some(wanted => wanted.name === name)
}

async function get(address: string, limit: number, { ask, progress }: RefreshOptions): Promise<Buffer> {
  const onProgress = (bytes: number) => progress.show(`fetch ${address.split('/').slice(-1)}`, bytes, limit)
  return download(address, { limit, onProgress, ...(ask && { ask }) })
}
