/** The files of a Debian package, without running anything that is in it. */
import { ImageError } from '../errors.ts'
import { runBytes } from '../run.ts'
import { type Entry, isPath } from '../tree/tree.ts'
import { readTar, type TarEntry } from './tar.ts'

/** Files of one package by path; links of both sorts are kept as they are, hard ones as files. */
export type Unpacked = ReadonlyMap<string, Entry>

/** @param path the `.deb` */
export async function unpackDeb(name: string, path: string): Promise<Unpacked> {
  return filesOf(name, readTar(await runBytes('dpkg-deb', ['--fsys-tarfile', path])))
}

/** @throws ImageError where the archive holds what a package of an image may not: devices, paths that lead out of it */
export function filesOf(name: string, entries: readonly TarEntry[]): Unpacked {
  const files = new Map<string, Entry>()
  for (const { kind, path: written, mode, uid, gid, bytes, target } of entries) {
    const path = written.replace(/^\.\//, '').replace(/\/$/, '')
    if (path === '' || path === '.') continue
    if (!isPath(path)) throw new ImageError(`${name}: holds the path ${JSON.stringify(written)}`)
    const owned = { mode, uid, gid, from: name }
    if (kind === 'directory') files.set(path, { kind, ...owned })
    else if (kind === 'file') files.set(path, { kind, bytes, ...owned })
    else if (kind === 'symlink') files.set(path, { kind: 'link', target, ...owned })
    else if (kind === 'hardlink') {
      const original = files.get(target.replace(/^\.\//, ''))
      if (original?.kind !== 'file') throw new ImageError(`${name}: ${path} is a link to nothing`)
      files.set(path, original)
    } else throw new ImageError(`${name}: ${path} is neither a file, a directory nor a link`)
  }
  return files
}
