/**
 * What programs of others were seen to do at a door of the device. Tests note it where they see it; `docs/compatibility.md` is made of the
 * notes (`npm run compatibility`), and a whole run of the tests holds the page against them.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Test } from 'tap'

/** The ways in that programs of others use, in the order of the page. */
export const DOORS = [
  'age',
  'PKCS#11',
  'JWE',
  'sealed boxes',
  'REST',
  'HPKE tokens',
  'databases',
  'browsers',
] as const
export type Door = (typeof DOORS)[number]

/** One thing that a program did, or cannot do. */
export interface Note {
  door: Door
  /** As its users call it, the same in every note: `age`, `PHP ext-sodium`, `npm jose`. */
  program: string
  /** What the program itself said in this run: {@link versionOf}. */
  version: string
  /** In the third person, without a full stop: `opens a file for a key of suite x with -d -i`. */
  does: string
  /** Why it can not do that. Without it, it did. */
  why?: string
}

/** The environment variable with the path of the file that notes are appended to, JSON, one a line. Without it nothing is written. */
export const NOTES_FILE = 'CLAVIGER_COMPATIBILITY_NOTES'

/** Notes what a test shows, when that test has ended and passed. */
export function noteProgram(t: Test, note: Note): void {
  const path = process.env[NOTES_FILE]
  if (!path) return
  t.teardown(() => {
    if (t.passing()) appendFileSync(path, `${JSON.stringify(note)}\n`)
  })
}

/** Notes that a program could not be had in this run, where that is no fault: what it did in other runs may be missing then. */
export function noteAbsence({ door, program }: Pick<Note, 'door' | 'program'>): void {
  const path = process.env[NOTES_FILE]
  if (path) appendFileSync(path, `${JSON.stringify({ door, program, absent: true })}\n`)
}

/**
 * Asks a program for its version: `versionOf('age', '--version')`, `versionOf('python3', '-c', 'import jwcrypto; print(…)')`.
 *
 * @returns the first number with a point in what it prints
 * @throws Error where there is none
 */
export function versionOf(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 })
  return versionIn(`${stdout}${stderr}`, [program, ...args].join(' '))
}

/** The version of a package of npm that is installed here. @throws Error where it is not */
export function npmVersion(name: string): string {
  const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

/**
 * The version of a package of Debian, without Debian's own part of it: for programs that do not tell.
 *
 * @param root - where it was unpacked without being installed, which its changelog tells; this machine unless given
 * @throws Error where it is not there
 */
export function debianVersion(name: string, root = ''): string {
  if (root === '') {
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f', `\${Version}`, name], { encoding: 'utf8' })
    return versionIn(`${stdout}`, name)
  }
  const changelog = join(root, 'usr/share/doc', name, 'changelog.Debian.gz')
  return versionIn(gunzipSync(readFileSync(changelog)).toString().slice(0, 200), name)
}

/**
 * The version in what a program told.
 *
 * @param asked - what was asked, for the message
 * @throws Error where there is no number with a point
 */
export function versionIn(text: string, asked = text): string {
  const [found] = /\d+(?:\.\d+)+/.exec(text) ?? []
  if (!found) throw new Error(`${asked} tells no version`)
  return found
}
