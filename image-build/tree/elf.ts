/** What is read of an ELF program, and what is taken off it: ELF-64 Object File Format, System V ABI. */
import { ImageError } from '../errors.ts'

/** What a program says that it needs. */
export interface Elf {
  /** Path of the dynamic loader; `null` for a library, or a static program. */
  readonly interpreter: string | null
  readonly soname: string | null
  /** Names of the libraries that it is linked to. */
  readonly needed: readonly string[]
  /** Of the file, up to the end of the last part that is loaded, bytes. */
  readonly loadedSize: number
}

const [LOAD, DYNAMIC, INTERPRETER] = [1, 2, 3]
const [NEEDED, STRING_TABLE, SONAME] = [1, 5, 14]
/** `e_machine` of each architecture, by Debian's name for it. */
const MACHINES = { arm64: 183, amd64: 62 } as const
export type Machine = keyof typeof MACHINES

interface Segment {
  type: number
  offset: number
  address: number
  size: number
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
}

/** @throws ImageError where it is not a whole little-endian ELF for that machine */
export function readElf(bytes: Uint8Array, machine: Machine = 'arm64'): Elf {
  try {
    return parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), machine)
  } catch (error) {
    throw error instanceof RangeError ? new ImageError('ELF: cut off', { cause: error }) : error
  }
}

/**
 * The same program without what is only for debuggers and linkers: section headers, symbol table, debugging information. The kernel
 * and the dynamic loader go by segments, which stay byte for byte.
 */
export function stripElf(bytes: Uint8Array, machine?: Machine): Uint8Array {
  const stripped = Buffer.from(bytes.subarray(0, readElf(bytes, machine).loadedSize))
  stripped.writeBigUInt64LE(0n, 40) // offset of the section headers
  stripped.fill(0, 58, 64) // their size, how many there are, which one holds their names
  return stripped
}

function parse(file: Buffer, machine: Machine): Elf {
  if (!isElf(file) || file.readUInt8(4) !== 2 || file.readUInt8(5) !== 1)
    fail('not a 64-bit little-endian one')
  if (file.readUInt16LE(18) !== MACHINES[machine]) fail(`not for ${machine}`)
  const [start, size, count] = [offset(file, 32), file.readUInt16LE(54), file.readUInt16LE(56)]
  const segments: Segment[] = []
  for (let i = 0; i < count; i++) {
    const at = start + i * size
    const type = file.readUInt32LE(at)
    segments.push({
      type,
      offset: offset(file, at + 8),
      address: offset(file, at + 16),
      size: offset(file, at + 32),
    })
  }
  const ends = segments.map(segment => segment.offset + segment.size)
  const loadedSize = Math.max(start + count * size, ...ends)
  if (loadedSize > file.length) fail('cut off')
  const interpreter = segments.find(({ type }) => type === INTERPRETER)
  const dynamic = segments.find(({ type }) => type === DYNAMIC)
  return {
    interpreter: interpreter ? textAt(file, interpreter.offset) : null,
    ...(dynamic ? readDynamic(file, segments, dynamic) : { soname: null, needed: [] }),
    loadedSize,
  }
}

function readDynamic(file: Buffer, segments: Segment[], dynamic: Segment): Pick<Elf, 'soname' | 'needed'> {
  const tags: [tag: number, value: number][] = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = file.readBigUInt64LE(at)
    if (tag === 0n) break
    if (tag <= 14n) tags.push([Number(tag), offset(file, at + 8)])
  }
  const strings = tags.find(([tag]) => tag === STRING_TABLE)?.[1]
  if (strings === undefined) return fail('without names')
  const holder = segments.find(
    ({ type, address, size }) => type === LOAD && address <= strings && strings < address + size,
  )
  if (!holder) return fail('without names')
  const names = holder.offset + strings - holder.address
  const of = (wanted: number) =>
    tags.filter(([tag]) => tag === wanted).map(([, value]) => textAt(file, names + value))
  return { soname: of(SONAME)[0] ?? null, needed: of(NEEDED) }
}

function offset(file: Buffer, at: number): number {
  const value = file.readBigUInt64LE(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail('an offset out of range')
  return Number(value)
}

function textAt(file: Buffer, at: number): string {
  const end = file.indexOf(0, at)
  if (at >= file.length || end < 0) fail('a name out of range')
  return file.toString('utf8', at, end)
}

function fail(what: string): never {
  throw new ImageError(`ELF: ${what}`)
}
