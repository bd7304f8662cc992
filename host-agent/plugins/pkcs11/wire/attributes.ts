/** Attributes on the wire. How the value of one is written depends on its type; docs/formats/pkcs11.md, "Attributes". */
import { CKA } from '../constants.ts'
import { Malformed, type Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** A value: a flag, a number, bytes, mechanisms, or a template inside of a template. `null` where there is none. */
export type AttributeValue = boolean | number | Uint8Array | readonly number[] | Template | null

/** What objects are looked for by, or made with. */
export class Template extends Map<number, AttributeValue> {}

/** An attribute that is asked for. */
export interface Wanted {
  readonly type: number
  /** Bytes that the other end has room for; 0 asks only how many it takes. */
  readonly room: number
}

/** Most attributes in one list. */
const MOST = 64
/** Most templates inside of each other: PKCS#11 knows no template in a template of a template. */
const DEEPEST = 2
/** Bytes of an attribute without a value, and of a wanted one. */
const LEAST = 5
const LEAST_WANTED = 8
const DATE_BYTES = 8
const ULONG_BYTES = 8

const FLAGS: ReadonlySet<number> = new Set([
  0x1, 0x2, 0x86, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109, 0x10a, 0x10b, 0x10c, 0x162, 0x163, 0x164,
  0x165, 0x170, 0x171, 0x200, 0x202, 0x210, 0x301, 0x302, 0x405,
])
const NUMBERS: ReadonlySet<number> = new Set([
  0x0, 0x80, 0x87, 0x88, 0x100, 0x121, 0x133, 0x134, 0x160, 0x161, 0x166, 0x201, 0x300, 0x400, 0x401, 0x402,
  0x403, 0x404, 0x406, 0x500,
])
const TEMPLATES: ReadonlySet<number> = new Set([CKA.WRAP_TEMPLATE, CKA.UNWRAP_TEMPLATE, CKA.DERIVE_TEMPLATE])
const DATES: ReadonlySet<number> = new Set([CKA.START_DATE, CKA.END_DATE])

/** Reads a list of attributes with their values. @throws Malformed */
export function readTemplate(reader: Reader, depth = 1): Template {
  const template = new Template()
  for (let left = reader.count(MOST, LEAST); left > 0; left--) {
    const type = reader.uint32()
    if (template.has(type)) throw new Malformed('an attribute twice')
    template.set(type, reader.byte() === 0 ? null : readValue(reader, type, depth))
  }
  return template
}

function readValue(reader: Reader, type: number, depth: number): AttributeValue {
  // the length that it has in the other end's memory, which depends on its architecture
  reader.uint32()
  if (FLAGS.has(type)) return reader.byte() !== 0
  if (NUMBERS.has(type)) return reader.ulong()
  if (TEMPLATES.has(type)) {
    if (depth >= DEEPEST) throw new Malformed('templates inside of templates')
    return readTemplate(reader, depth + 1)
  }
  if (type === CKA.ALLOWED_MECHANISMS)
    return Array.from({ length: reader.count(MOST, ULONG_BYTES) }, () => reader.ulong())
  const bytes = reader.bytes() ?? new Uint8Array()
  if (DATES.has(type) && bytes.length !== 0 && bytes.length !== DATE_BYTES)
    throw new Malformed('this is no date')
  return bytes
}

/** Reads which attributes are asked for. @throws Malformed */
export function readWanted(reader: Reader, depth = 1): Wanted[] {
  return Array.from({ length: reader.count(MOST, LEAST_WANTED) }, () => {
    const type = reader.uint32()
    const room = reader.uint32()
    if (TEMPLATES.has(type) && room !== 0) {
      if (depth >= DEEPEST) throw new Malformed('templates inside of templates')
      readWanted(reader, depth + 1)
    }
    return { type, room }
  })
}

/** Writes one attribute; `null` says that it is not there, or not to be had. */
export function writeAttribute(writer: Writer, type: number, value: AttributeValue): void {
  writer.uint32(type).byte(value === null ? 0 : 1)
  if (value === null) return
  if (typeof value === 'boolean') writer.uint32(1).byte(value ? 1 : 0)
  else if (typeof value === 'number') writer.uint32(ULONG_BYTES).ulong(value)
  else if (value instanceof Uint8Array) writer.uint32(value.length).bytes(value)
  else if (value instanceof Template) {
    // no object here has any
    throw new TypeError('templates are not told')
  } else {
    writer.uint32(value.length * ULONG_BYTES).uint32(value.length)
    for (const each of value) writer.ulong(each)
  }
}

/** Whether an object has what is looked for. */
export function isSame(a: AttributeValue | undefined, b: AttributeValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((each, i) => each === b[i])
  return a !== undefined && a === b
}
