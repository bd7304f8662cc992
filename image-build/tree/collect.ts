/** From unpacked packages to a tree: by an allow-list, with the libraries that the programs on it are linked to. */
import { posix } from 'node:path'
import { ImageError } from '../errors.ts'
import type { Unpacked } from '../unpack/deb.ts'
import { isElf, readElf } from './elf.ts'
import type { Entry, Tree } from './tree.ts'

/** One thing to keep. */
export interface Keep {
  readonly package: string
  /** From the root; `*` stands for anything but a slash. */
  readonly path: string
  readonly why: string
}

/** Every unpacked package by name. */
export type Packages = ReadonlyMap<string, Unpacked>

const LIBRARIES = 'usr/lib/aarch64-linux-gnu'
const LOADER = 'usr/lib/ld-linux-aarch64.so.1'
/** Where programs look for libraries that only they share; beside the system's. */
const PRIVATE = [`${LIBRARIES}/systemd`]

/**
 * Copies what the list names, each as the file that it is in the end, so that no link leads to something left out.
 *
 * @throws ImageError where a line of the list matches nothing: the package has changed, and somebody has to look
 */
export function keep(tree: Tree, packages: Packages, list: readonly Keep[]): void {
  for (const line of list) {
    const files = packages.get(line.package)
    if (!files) throw new ImageError(`the package ${line.package} is not in the lock file`)
    const matching = [...files.keys()].filter(path => posix.matchesGlob(path, line.path))
    if (matching.length === 0) throw new ImageError(`${line.package} has no ${line.path}: ${line.why}`)
    for (const path of matching) copy(tree, packages, path, files.get(path)!)
  }
}

/**
 * Adds every library that a program or library of the tree is linked to, each under the name by which it is asked for.
 *
 * @param from where the libraries may come from
 * @throws ImageError where no package has one
 */
export function addLibraries(tree: Tree, packages: Packages): void {
  const waiting = tree.entries().flatMap(([, entry]) => (entry.kind === 'file' ? [entry.bytes] : []))
  for (let bytes = waiting.pop(); bytes; bytes = waiting.pop()) {
    if (!isElf(bytes)) continue
    const { interpreter, needed } = readElf(bytes)
    if (interpreter !== null && interpreter !== '/lib/ld-linux-aarch64.so.1')
      throw new ImageError(`a program asks for the loader ${interpreter}`)
    const wanted = interpreter === null ? needed : [...needed, 'ld-linux-aarch64.so.1']
    for (const name of wanted) {
      const [path, entry] = findLibrary(packages, name)
      if (tree.get(path)) continue
      tree.add(path, entry)
      waiting.push(entry.bytes)
    }
  }
}

/** Adds an entry; a link has to lead to a file of some package. */
function copy(tree: Tree, packages: Packages, path: string, entry: Entry): void {
  // A link whose target is in the tree too stays one: a program that has several names is there once.
  if (entry.kind === 'link' && !follow(packages, path))
    throw new ImageError(`/${path} is a link to ${entry.target}, which no package has`)
  tree.add(path, entry)
}

type File = Extract<Entry, { kind: 'file' }>

function findLibrary(packages: Packages, name: string): [path: string, file: File] {
  const places = name.startsWith('ld-linux')
    ? [LOADER]
    : [LIBRARIES, ...PRIVATE].map(place => `${place}/${name}`)
  for (const path of places) {
    const file = follow(packages, path) ?? follow(packages, path.replace(/^usr\//, ''))
    if (file) return [path, file]
  }
  throw new ImageError(`no package of the lock file has the library ${name}`, {
    hint: 'add its package to image-build/lock/wanted.ts and refresh the lock',
  })
}

/** The file at a path, through links within all packages. */
function follow(packages: Packages, start: string): File | null {
  let path = start
  for (let steps = 0; steps < 8; steps++) {
    const entry = [...packages.values()].map(files => files.get(path)).find(Boolean)
    if (entry?.kind === 'file') return entry
    if (entry?.kind !== 'link') return null
    path = posix.join('/', posix.dirname(path), entry.target).slice(1)
    if (entry.target.startsWith('/')) path = entry.target.slice(1)
  }
  return null
}
