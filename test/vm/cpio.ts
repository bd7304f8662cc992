/** An archive that the kernel unpacks as its first root: cpio in the "newc" format, as `initramfs` documentation gives it. */

/** One entry. Directories above it have to come before it. */
export type Entry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode?: number; readonly bytes: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number }

const TYPE = { directory: 0o040_000, file: 0o100_000, link: 0o120_000, device: 0o020_000 } as const

/** @returns the archive in pieces, in order, ready to be written one after the other */
export function cpio(entries: readonly Entry[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  entries.forEach((entry, i) => {
    const bytes = entry.kind === 'file' ? entry.bytes : Buffer.from(entry.kind === 'link' ? entry.target : '')
    const device = entry.kind === 'device' ? [entry.major, entry.minor] : [0, 0]
    pieces.push(header(entry.path, i + 1, modeOf(entry), bytes.length, device), bytes, padding(bytes.length))
  })
  pieces.push(header('TRAILER!!!', 0, 0, 0, [0, 0]))
  return pieces
}

function modeOf(entry: Entry): number {
  if (entry.kind === 'directory') return TYPE.directory | (entry.mode ?? 0o755)
  if (entry.kind === 'file') return TYPE.file | (entry.mode ?? 0o644)
  return TYPE[entry.kind] | (entry.kind === 'link' ? 0o777 : 0o600)
}

/** Thirteen fields of eight hexadecimal digits after the magic, then the name; all padded to four bytes. */
function header(path: string, inode: number, mode: number, size: number, device: number[]): Uint8Array {
  const name = Buffer.from(`${path}\0`)
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, ...device, name.length, 0]
  const text = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`
  const head = Buffer.concat([Buffer.from(text, 'latin1'), name])
  return Buffer.concat([head, padding(head.length)])
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3)
}
