/** A tree as the kernel unpacks it into its first root: cpio "newc". Linux, Documentation/driver-api/early-userspace/buffer-format.rst. */
import type { Entry, Tree } from '../tree/tree.ts'

const TYPE: Record<Entry['kind'], number> = { directory: 0o040_000, file: 0o100_000, link: 0o120_000 }

/** The archive, every time 0, owners as described, numbers in the order of the paths. */
export function writeCpio(tree: Tree): Buffer {
  const pieces: Uint8Array[] = []
  tree.entries().forEach(([path, entry], i) => {
    const bytes =
      entry.kind === 'file' ? entry.bytes : Buffer.from(entry.kind === 'link' ? entry.target : '', 'utf8')
    const { mode, uid, gid } = entry
    pieces.push(
      header(path, i + 1, TYPE[entry.kind] | mode, uid, gid, bytes.length),
      bytes,
      pad(bytes.length),
    )
  })
  return Buffer.concat([...pieces, header('TRAILER!!!', 0, 0, 0, 0, 0)])
}

/** Thirteen numbers of eight hexadecimal digits behind the magic, then the name; padded to four bytes. */
function header(path: string, inode: number, mode: number, uid: number, gid: number, size: number): Buffer {
  const name = Buffer.from(`${path}\0`)
  const numbers = [inode, mode, uid, gid, 1, 0, size, 0, 0, 0, 0, name.length, 0]
  const text = numbers.map(number => number.toString(16).padStart(8, '0')).join('')
  const head = Buffer.concat([Buffer.from(`070701${text}`, 'latin1'), name])
  return Buffer.concat([head, pad(head.length)])
}

function pad(length: number): Uint8Array {
  return new Uint8Array(-length & 3)
}
