/** Writes a tree as a tar archive (POSIX.1-2001 ustar), which `mksquashfs` reads without any file lying on a disk. */
import { ImageError } from '../errors.ts'
import type { Entry, Tree } from '../tree/tree.ts'

const BLOCK = 512
const TYPES: Record<Entry['kind'], string> = { file: '0', link: '2', directory: '5' }

/**
 * @param time of every entry, seconds since 1970
 * @throws ImageError where a name does not fit into a header
 */
export function writeTar(tree: Tree, time: number): Buffer {
  const pieces: Uint8Array[] = []
  for (const [path, entry] of tree.entries()) {
    const bytes = entry.kind === 'file' ? entry.bytes : new Uint8Array()
    pieces.push(header(path, entry, bytes.length, time), bytes, new Uint8Array(-bytes.length & (BLOCK - 1)))
  }
  return Buffer.concat([...pieces, new Uint8Array(2 * BLOCK)])
}

function header(path: string, entry: Entry, size: number, time: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const [prefix, name] = splitName(path)
  const put = (text: string, at: number, length: number) => {
    if (Buffer.byteLength(text) > length) throw new ImageError(`too long for an archive: ${text}`)
    block.write(text, at)
  }
  const number = (value: number, at: number, digits: number) =>
    put(value.toString(8).padStart(digits, '0'), at, digits)
  put(name, 0, 100)
  number(entry.mode, 100, 7)
  number(entry.uid, 108, 7)
  number(entry.gid, 116, 7)
  number(size, 124, 11)
  number(time, 136, 11)
  block.fill(' ', 148, 156)
  put(TYPES[entry.kind], 156, 1)
  if (entry.kind === 'link') put(entry.target, 157, 100)
  put('ustar\u000000', 257, 8)
  put(prefix, 345, 155)
  const sum = block.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8)
  return block
}

/** A name of more than 100 bytes is split at a slash. */
function splitName(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path]
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
    if (Buffer.byteLength(path.slice(at + 1)) <= 100) return [path.slice(0, at), path.slice(at + 1)]
  throw new ImageError(`too long for an archive: ${path}`)
}
