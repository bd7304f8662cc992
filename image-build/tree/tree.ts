/** A tree of files as data: what a root, an initramfs or a FAT is made from. Paths are from the root, without a slash before. */
import { ImageError } from '../errors.ts'

/** What every entry has. */
interface Owned {
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** The package it is from, or `claviger`. */
  readonly from: string
}

export type Entry =
  | (Owned & { readonly kind: 'directory' })
  | (Owned & { readonly kind: 'file'; readonly bytes: Uint8Array })
  | (Owned & { readonly kind: 'link'; readonly target: string })

/** Entries by path. */
export class Tree {
  readonly #entries = new Map<string, Entry>()

  /**
   * Adds an entry, and the directories above it where they are missing.
   *
   * @throws ImageError where something else is at that path already, or the path is not one
   */
  add(path: string, entry: Entry): void {
    if (!isPath(path)) throw new ImageError(`not a path of a tree: ${JSON.stringify(path)}`)
    const above = path.split('/').slice(0, -1).join('/')
    if (above !== '') this.directory(above)
    const there = this.#entries.get(path)
    if (there && !(there.kind === 'directory' && entry.kind === 'directory'))
      throw new ImageError(`/${path} is there twice, from ${there.from} and from ${entry.from}`)
    if (!there || entry.from !== OURS) this.#entries.set(path, entry)
  }

  /** Makes a directory of root's, and those above it; what is there already stays. */
  directory(path: string, owner: Partial<Owned> = {}): void {
    const there = this.#entries.get(path)
    if (there?.kind === 'directory') return
    this.add(path, { kind: 'directory', mode: 0o755, uid: 0, gid: 0, from: OURS, ...owner })
  }

  file(path: string, bytes: Uint8Array | string, owner: Partial<Owned> = {}): void {
    const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
    this.add(path, { kind: 'file', bytes: content, mode: 0o644, uid: 0, gid: 0, from: OURS, ...owner })
  }

  link(path: string, target: string, owner: Partial<Owned> = {}): void {
    this.add(path, { kind: 'link', target, mode: 0o777, uid: 0, gid: 0, from: OURS, ...owner })
  }

  get(path: string): Entry | undefined {
    return this.#entries.get(path)
  }

  /** Every entry, sorted by the bytes of its path, directories before what is in them. */
  entries(): [path: string, entry: Entry][] {
    return [...this.#entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }
}

/** Where files are from that no package brought. */
export const OURS = 'claviger'

/** Whether a text is a path from a root: no empty part, no `.` or `..`, no zero byte. */
export function isPath(path: string): boolean {
  return path !== '' && path.split('/').every(part => !['', '.', '..'].includes(part)) && !path.includes('\0')
}
