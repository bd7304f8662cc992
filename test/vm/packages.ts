/**
 * Packages of the machine's own Debian: found and verified by apt, unpacked without running any of their scripts, and kept
 * for the next time by name and version.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What apt would install. */
export interface Candidate {
  readonly name: string
  readonly version: string
  /** Names of the packages that it depends on, the first of each choice. */
  readonly depends: readonly string[]
}

/** A package that this machine does not get. */
export class PackageError extends Error {}

/** @throws PackageError when apt knows no such package */
export function candidate(name: string): Candidate {
  const text = tried(() => run('apt-cache', ['show', '--no-all-versions', name]))
  const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1]
  const version = field('Version')
  if (!version) throw new PackageError(`apt knows no package ${name}`)
  const depends = (field('Depends') ?? '').split(/, */).flatMap(each => /^[^ |(:]+/.exec(each)?.[0] ?? [])
  return { name, version, depends }
}

/**
 * Downloads a package unless it is there, and unpacks it.
 *
 * @param cache a directory that this may make
 * @returns the directory that holds the package's files
 * @throws PackageError when it cannot be downloaded
 */
export function unpack(cache: string, { name, version }: Candidate): string {
  const kept = join(cache, `${name}_${version.replaceAll(':', '%3a')}`)
  if (existsSync(kept)) return kept
  const work = `${kept}.${process.pid}`
  mkdirSync(work, { recursive: true })
  try {
    // apt checks the hash that the signed list of packages names
    tried(() => run('apt-get', ['download', '-qq', `${name}=${version}`], work))
    const archive = readdirSync(work).find(file => file.endsWith('.deb'))
    if (!archive) throw new Error(`apt-get download ${name} left no package`)
    run('dpkg-deb', ['-x', archive, 'root'], work)
    renameSync(join(work, 'root'), kept)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return kept
}

function tried<T>(action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const { message } = cause as Error
    throw new PackageError(`${message} (has "apt-get update" been run?)`, { cause })
  }
}

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws Error with what it complained about
 */
export function run(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim() || `status ${status}`}`)
  return stdout
}
