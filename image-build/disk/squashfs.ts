/** The root file system: a squashfs, by `mksquashfs` from an archive, so that owners and modes are those of the description. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runBytes } from '../run.ts'
import type { Tree } from '../tree/tree.ts'
import { writeTar } from '../unpack/tar-writer.ts'

/** What decides about size against speed. */
export interface SquashfsOptions {
  /** Seconds since 1970: of the file system and of everything in it. */
  readonly time: number
  /** zstd's level, 1 to 22. */
  readonly level: number
}

/** Larger blocks are smaller on the card and slower to read in bits; node's binary is read in bits. */
const BLOCK = '256K'

/** @returns the file system's bytes, a whole number of 4096-byte blocks */
export async function squashfs(tree: Tree, { time, level }: SquashfsOptions): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'claviger-squashfs-'))
  try {
    const output = join(directory, 'root')
    const when = String(time)
    await runBytes(
      'mksquashfs',
      [
        ...['-', output, '-tar', '-noappend', '-no-progress', '-quiet', '-no-xattrs', '-no-exports'],
        ...['-comp', 'zstd', '-Xcompression-level', String(level), '-b', BLOCK],
        ...['-mkfs-time', when, '-all-time', when, '-root-uid', '0', '-root-gid', '0', '-root-mode', '755'],
      ],
      writeTar(tree, time),
    )
    return await readFile(output)
  } finally {
    await rm(directory, { recursive: true })
  }
}
