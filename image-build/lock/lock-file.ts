/** `packages.lock.json`: every Debian package of an image, by version and SHA-256. docs/formats/image.md, "The lock file". */
import { ImageError } from '../errors.ts'

/** Which of Debian's archives a package comes from; a mirror has each at an address of its own. */
export type Archive = 'debian' | 'debian-security'
/** Which images a package is for. */
export type PackageSet = 'base' | 'kernel-stable' | 'kernel-backports'

/** One package. */
export interface LockedPackage {
  readonly name: string
  readonly version: string
  readonly set: PackageSet
  readonly archive: Archive
  /** `main` or `non-free-firmware`. */
  readonly component: string
  /** From the top of the archive. */
  readonly path: string
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** The whole file. */
export interface LockFile {
  readonly version: 1
  readonly codename: string
  readonly architecture: 'arm64'
  /** When the newest of the suites was made, seconds since 1970. Times in the image are this one. */
  readonly date: number
  /** By set, then by name. */
  readonly packages: readonly LockedPackage[]
}

const ARCHIVES: readonly string[] = ['debian', 'debian-security'] satisfies Archive[]
const SETS: readonly string[] = ['base', 'kernel-stable', 'kernel-backports'] satisfies PackageSet[]
const TEXTS: Record<string, RegExp> = {
  name: /^[a-z0-9][a-z0-9+.-]{1,99}$/,
  version: /^[A-Za-z0-9][A-Za-z0-9.+~:-]{0,99}$/,
  component: /^[a-z][a-z-]{0,31}$/,
  path: /^pool\/(?!.*\.\.)[A-Za-z0-9+.~_:%/-]{1,300}\.deb$/,
  sha256: /^[0-9a-f]{64}$/,
}

/** @throws ImageError that names what is wrong with the file */
export function parseLockFile(text: string): LockFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail('not JSON')
  }
  const file = record(value, 'the file', ['version', 'codename', 'architecture', 'date', 'packages'])
  const { version, codename, architecture, date, packages } = file
  if (version !== 1) fail('"version" is not 1')
  if (typeof codename !== 'string' || !/^[a-z]{1,32}$/.test(codename)) fail('"codename" is not a name')
  if (architecture !== 'arm64') fail('"architecture" is not arm64')
  if (!Number.isSafeInteger(date) || (date as number) <= 0) fail('"date" is not a time')
  if (!Array.isArray(packages)) fail('"packages" is not a list')
  const read = packages.map(readPackage)
  const twice = read.find((one, i) => read.findIndex(({ name }) => name === one.name) !== i)
  if (twice) fail(`${twice.name} is there twice`)
  return { version, codename, architecture, date: date as number, packages: read }
}

/** The file's text. The same contents give the same bytes. */
export function formatLockFile({ packages, ...head }: LockFile): string {
  const order = ({ set, name }: LockedPackage) => `${set} ${name}`
  const sorted = packages.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
  return `${JSON.stringify({ ...head, packages: sorted }, null, 2)}\n`
}

/** The packages of an image with one kernel. */
export function packagesFor(lock: LockFile, kernel: 'stable' | 'backports'): LockedPackage[] {
  return lock.packages.filter(({ set }) => set === 'base' || set === `kernel-${kernel}`)
}

function readPackage(value: unknown, index: number): LockedPackage {
  const at = `package ${index + 1}`
  const keys = ['name', 'version', 'set', 'archive', 'component', 'path', 'sha256', 'size']
  const one = record(value, at, keys)
  for (const [key, pattern] of Object.entries(TEXTS))
    if (typeof one[key] !== 'string' || !pattern.test(one[key]))
      fail(`${at}: "${key}" is not as it has to be`)
  if (!ARCHIVES.includes(one.archive as string)) fail(`${at}: there is no such "archive"`)
  if (!SETS.includes(one.set as string)) fail(`${at}: there is no such "set"`)
  if (!Number.isSafeInteger(one.size) || (one.size as number) <= 0) fail(`${at}: "size" is not a size`)
  return one as unknown as LockedPackage
}

/** @param keys exactly those that it has */
function record(value: unknown, at: string, keys: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(`${at} is not an object`)
  const found = Object.keys(value)
  const odd = [...found.filter(key => !keys.includes(key)), ...keys.filter(key => !found.includes(key))][0]
  if (odd !== undefined)
    fail(`${at}: ${JSON.stringify(odd)} is ${keys.includes(odd) ? 'missing' : 'not known'}`)
  return value as Record<string, unknown>
}

function fail(message: string): never {
  throw new ImageError(`packages.lock.json: ${message}`, { hint: 'make it anew with "image lock --refresh"' })
}
