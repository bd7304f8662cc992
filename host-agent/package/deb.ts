/** A Debian package as bytes: an ar archive of a version, a control archive and a data archive. deb(5). */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gzipSync, zstdCompress } from 'node:zlib'
import { Tree } from '../../image-build/tree/tree.ts'
import { writeTar } from '../../image-build/unpack/tar-writer.ts'

/** What a package is made of. */
export interface Deb {
  /** Fields of `control`, in their order; `Installed-Size` is added. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Scripts of the maintainer, by name. */
  readonly scripts: Readonly<Record<string, string>>
  readonly files: Tree
  /** Of every file, seconds since 1970. */
  readonly time: number
  /** zstd's, 1 to 22. */
  readonly level: number
}

/** The same contents give the same bytes on every machine: compression is that of the pinned Node. */
export async function writeDeb({ fields, scripts, files, time, level }: Deb): Promise<Buffer> {
  const control = new Tree()
  const size = ['Installed-Size', String(installedSize(files))] as const
  const text = [...fields, size].map(([name, value]) => `${name}: ${value}\n`).join('')
  control.file('control', text)
  control.file('md5sums', sums(files))
  for (const [name, script] of Object.entries(scripts)) control.file(name, script, { mode: 0o755 })
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  const members: [name: string, bytes: Uint8Array][] = [
    ['debian-binary', Buffer.from('2.0\n')],
    ['control.tar.gz', gzipSync(writeTar(control, time), { level: 9 })],
    ['data.tar.zst', await promisify(zstdCompress)(writeTar(files, time), { params })],
  ]
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...members.flatMap(([name, bytes]) => member(name, bytes, time)),
  ])
}

/** KiB as Debian counts them: each file rounded up, one for everything else. Debian policy, 5.6.20. */
function installedSize(files: Tree): number {
  const sizes = files
    .entries()
    .map(([, entry]) => (entry.kind === 'file' ? Math.ceil(entry.bytes.length / 1024) : 1))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function sums(files: Tree): string {
  return files
    .entries()
    .flatMap(([path, entry]) =>
      entry.kind === 'file' ? [`${createHash('md5').update(entry.bytes).digest('hex')}  ${path}\n`] : [],
    )
    .join('')
}

/** ar's header has 60 bytes; members begin at even places. */
function member(name: string, bytes: Uint8Array, time: number): Uint8Array[] {
  const texts: [text: string, length: number][] = [
    [name, 16],
    [String(time), 12],
    ['0', 6],
    ['0', 6],
    ['100644', 8],
    [String(bytes.length), 10],
  ]
  const header = `${texts.map(([text, length]) => text.padEnd(length)).join('')}\`\n`
  return [Buffer.from(header), bytes, Buffer.from(bytes.length % 2 === 0 ? '' : '\n')]
}
