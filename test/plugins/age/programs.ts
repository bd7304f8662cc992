/**
 * The programs that age files are made and opened with: Debian's age of this machine, those of newer releases of Debian, and rage. The
 * newer ones are found and verified by an apt of their own, with lists and cache beside ours, and unpacked without being installed.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { machineMirror } from '../../../image-build/places.ts'
import { run } from '../../vm/packages.ts'

/** A program, and what comes before its arguments. */
export interface Program {
  readonly name: string
  readonly command: string
  readonly before: readonly string[]
}

/** A package of a release that is not this machine's. */
interface Wanted {
  readonly name: string
  readonly suite: string
  readonly program: string
  /** What the program of a newer Debian is started with: its own loader and these packages' libraries. */
  readonly libraries: readonly string[]
}

const WANTED: Readonly<Record<string, Wanted>> = {
  'age of Debian 13': { name: 'age', suite: 'trixie', program: 'age', libraries: [] },
  'newest age of Debian': { name: 'age', suite: 'sid', program: 'age', libraries: [] },
  rage: { name: 'rage', suite: 'sid', program: 'rage', libraries: ['libc6', 'libgcc-s1'] },
}
/** Names of the programs that may be there beside the machine's own. */
export const NEWER: readonly string[] = Object.keys(WANTED)

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const LIB = 'usr/lib/x86_64-linux-gnu'
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'claviger', 'age-programs')

/** The age of this machine's Debian. */
export const OWN: Program = { name: 'age of this machine', command: 'age', before: [] }

/** One of {@link NEWER}; `null` where {@link fetchProgram} has not been here. */
export function newer(name: string): Program | null {
  const { name: wanted, suite, program, libraries } = WANTED[name]!
  const path = (of: string) => join(CACHE, suite, of)
  if (![wanted, ...libraries].every(each => existsSync(path(each)))) return null
  const command = join(path(wanted), 'usr/bin', program)
  if (libraries.length === 0) return { name, command, before: [] }
  const folders = libraries.map(library => join(path(library), LIB))
  const before = ['--library-path', folders.join(':'), command]
  return { name, command: join(folders[0]!, 'ld-linux-x86-64.so.2'), before }
}

/** Downloads one of {@link NEWER} unless it is there. @throws Error where it is not to be had */
export async function fetchProgram(name: string): Promise<void> {
  const { name: wanted, suite, libraries } = WANTED[name]!
  const { debian } = await machineMirror()
  for (const each of [wanted, ...libraries]) unpack(suite, each, debian)
}

/** Whichever version is the newest now. */
function unpack(suite: string, name: string, mirror: string): void {
  const kept = join(CACHE, suite, name)
  if (existsSync(kept)) return
  const apt = aptOf(suite, mirror)
  const work = `${kept}.${process.pid}`
  mkdirSync(work, { recursive: true })
  try {
    run('apt-get', [...apt, 'download', '-qq', name], work)
    const archive = readdirSync(work).find(file => file.endsWith('.deb'))
    if (!archive) throw new Error(`apt-get download ${name} left no package`)
    run('dpkg-deb', ['-x', archive, 'root'], work)
    renameSync(join(work, 'root'), kept)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Options for an apt that knows one suite and nothing of this machine; its lists are fetched the first time. */
function aptOf(suite: string, mirror: string): string[] {
  const home = join(CACHE, suite, 'apt')
  const lists = join(home, 'lists')
  const source = join(home, 'sources.list')
  const options = [
    `Dir::Etc::sourcelist=${source}`,
    'Dir::Etc::sourceparts=-',
    'Dir::Etc::preferencesparts=-',
    `Dir::State::lists=${lists}`,
    `Dir::State::status=${join(home, 'status')}`,
    `Dir::Cache=${join(home, 'cache')}`,
    'APT::Sandbox::User=root',
  ].flatMap(option => ['-o', option])
  if (existsSync(join(home, 'fetched'))) return options
  mkdirSync(join(lists, 'partial'), { recursive: true })
  mkdirSync(join(home, 'cache/archives/partial'), { recursive: true })
  writeFileSync(join(home, 'status'), '')
  writeFileSync(source, `deb [arch=amd64 signed-by=${KEYRING}] ${mirror} ${suite} main\n`)
  run('apt-get', [...options, 'update', '-qq', '-o', 'APT::Update::Error-Mode=any'])
  writeFileSync(join(home, 'fetched'), '')
  return options
}
