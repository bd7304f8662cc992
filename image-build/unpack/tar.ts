/** Reads tar archives as `dpkg-deb` writes them: ustar with GNU's long names (POSIX.1-1988; GNU tar manual, "Basic Tar Format"). */
import { ImageError } from '../errors.ts'

/** One entry. Paths as they stand in the archive. */
export interface TarEntry {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of a file; a view into the archive. */
  readonly bytes: Uint8Array
  /** Of a link. */
  readonly target: string
}

const BLOCK = 512
const KINDS: Record<string, TarEntry['kind']> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
}
const [LONG_NAME, LONG_TARGET] = ['L', 'K']

/** @throws ImageError where the archive is cut off, or a header's sum is wrong */
export function readTar(archive: Uint8Array): TarEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length)
  const entries: TarEntry[] = []
  let [longName, longTarget]: (string | undefined)[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = bytes.subarray(at, at + BLOCK)
    if (header.length < BLOCK) fail('cut off')
    if (header.every(byte => byte === 0)) return entries
    checkSum(header)
    const size = octal(header, 124, 12)
    const content = bytes.subarray(at + BLOCK, at + BLOCK + size)
    if (content.length < size) fail('cut off')
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
    const type = header.toString('latin1', 156, 157)
    if (type === LONG_NAME) longName = text(content, 0, size)
    else if (type === LONG_TARGET) longTarget = text(content, 0, size)
    else {
      const prefix = text(header, 257, 6) === 'ustar' ? text(header, 345, 155) : ''
      const short = text(header, 0, 100)
      entries.push({
        path: longName ?? (prefix === '' ? short : `${prefix}/${short}`),
        kind: KINDS[type] ?? 'other',
        mode: octal(header, 100, 8) & 0o7777,
        uid: octal(header, 108, 8),
        gid: octal(header, 116, 8),
        bytes: content,
        target: longTarget ?? text(header, 157, 100),
      })
      longName = longTarget = undefined
    }
  }
  return fail('without its end')
}

/** The sum of all bytes, with blanks in the place of the sum. */
function checkSum(header: Buffer): void {
  let sum = 8 * 32
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!
  if (sum !== octal(header, 148, 8)) fail('a header whose sum is wrong')
}

function octal(header: Buffer, at: number, length: number): number {
  const digits = header
    .toString('latin1', at, at + length)
    .replace(/\0.*$/s, '')
    .trim()
  if (!/^[0-7]*$/.test(digits)) return fail('a number that is not octal')
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + at, length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

function fail(what: string): never {
  throw new ImageError(`tar archive: ${what}`)
}
