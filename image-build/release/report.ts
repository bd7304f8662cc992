/** The build report: how large each part is, and how much is in it. For people, and for figures over time. */
import { isElf, readElf } from '../tree/elf.ts'
import type { Tree } from '../tree/tree.ts'

/** Facts of one build. Sizes in bytes. */
export interface Report {
  readonly name: string
  readonly sizes: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
  /** What is largest in the root before it is compressed. */
  readonly largest: readonly { readonly path: string; readonly size: number }[]
  readonly programs: readonly string[]
  /** Programs of this machine that had a part in it: their versions decide about bytes. */
  readonly tools: Readonly<Record<string, string>>
}

/** Programs (not libraries) of a tree: ELF files that ask for the dynamic loader. Libraries that can be started too, such as libc, are none. */
export function programsOf(tree: Tree): string[] {
  return tree.entries().flatMap(([path, entry]) => {
    if (entry.kind !== 'file' || !isElf(entry.bytes) || /\.(?:ko|so[.\d]*)$/.test(path)) return []
    return readElf(entry.bytes).interpreter === null ? [] : [path]
  })
}

export function librariesOf(tree: Tree): string[] {
  const programs = new Set(programsOf(tree))
  return tree
    .entries()
    .flatMap(([path, entry]) =>
      entry.kind === 'file' && isElf(entry.bytes) && !path.endsWith('.ko') && !programs.has(path)
        ? [path]
        : [],
    )
}

export function largestOf(tree: Tree, count = 12): { path: string; size: number }[] {
  return tree
    .entries()
    .flatMap(([path, entry]) => (entry.kind === 'file' ? [{ path, size: entry.bytes.length }] : []))
    .sort((a, b) => b.size - a.size)
    .slice(0, count)
}

/** The report's text. */
export function formatReport({ name, sizes, counts, largest, programs, tools }: Report): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2).padStart(9)} MB`
  return [
    `${name}`,
    '',
    ...Object.entries(sizes).map(([what, bytes]) => `${mb(bytes)}  ${what}`),
    '',
    ...Object.entries(counts).map(([what, count]) => `${String(count).padStart(9)}  ${what}`),
    '',
    'programs in the root:',
    ...programs.map(path => `  /${path}`),
    '',
    'largest in the root, before compression:',
    ...largest.map(({ path, size }) => `${mb(size)}  /${path}`),
    '',
    ...Object.entries(tools).map(([tool, version]) => `${tool}: ${version}`),
    '',
  ].join('\n')
}
