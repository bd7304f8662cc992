/** Changes a property of a flattened device tree. Devicetree Specification 0.4, chapter 5. */
import { ImageError } from '../errors.ts'

const MAGIC = 0xd00d_feed
const [BEGIN, END, PROPERTY, NOTHING, FINISH] = [1, 2, 3, 4, 9]
const HEADER = 40

/** A property where it stands. */
interface Found {
  /** Of the token, from the start of the structure. */
  readonly at: number
  readonly length: number
}

/**
 * @param path names of nodes from the root, with `/`
 * @returns the property's bytes, or `null`
 * @throws ImageError where it is not a device tree
 */
export function readProperty(tree: Uint8Array, path: string, name: string): Uint8Array | null {
  const { structure, found } = look(tree, path, name)
  return found.property
    ? structure.subarray(found.property.at + 12, found.property.at + 12 + found.property.length)
    : null
}

/**
 * The tree with a property set.
 *
 * @throws ImageError where it is not a device tree, or has no such node or property
 */
export function setProperty(tree: Uint8Array, path: string, name: string, value: Uint8Array): Buffer {
  const { file, structure, found, start, size } = look(tree, path, name)
  const { property } = found
  if (!property) throw new ImageError(`device tree: there is no ${name} in /${path}`)
  const pad = (length: number) => -length & 3
  const token = Buffer.from(structure.subarray(property.at, property.at + 12))
  token.writeUInt32BE(value.length, 4)
  const after = property.at + 12 + property.length + pad(property.length)
  const made = Buffer.concat([
    structure.subarray(0, property.at),
    token,
    value,
    Buffer.alloc(pad(value.length)),
    structure.subarray(after),
  ])
  const grown = made.length - size
  const header = Buffer.from(file.subarray(0, HEADER))
  header.writeUInt32BE(header.readUInt32BE(4) + grown, 4)
  for (const at of [8, 12, 16]) {
    const place = header.readUInt32BE(at)
    if (place > start) header.writeUInt32BE(place + grown, at)
  }
  header.writeUInt32BE(made.length, 36)
  return Buffer.concat([header, file.subarray(HEADER, start), made, file.subarray(start + size)])
}

function look(tree: Uint8Array, path: string, name: string) {
  try {
    const whole = Buffer.from(tree.buffer, tree.byteOffset, tree.length)
    if (whole.readUInt32BE(0) !== MAGIC) throw new ImageError('this is not a device tree')
    const file = whole.subarray(0, whole.readUInt32BE(4))
    const [start, size] = [file.readUInt32BE(8), file.readUInt32BE(36)]
    const names = file.subarray(file.readUInt32BE(12))
    const structure = file.subarray(start, start + size)
    if (structure.length < size) throw new ImageError('device tree: cut off')
    return { file, structure, start, size, found: walk(structure, names, path, name) }
  } catch (error) {
    throw error instanceof RangeError ? new ImageError('device tree: cut off', { cause: error }) : error
  }
}

function walk(structure: Buffer, names: Buffer, path: string, name: string): { property: Found | null } {
  const wanted = `/${path}`.replace(/\/$/, '')
  const nodes: string[] = []
  let property: Found | null = null
  for (let at = 0; ; ) {
    const token = structure.readUInt32BE(at)
    if (token === BEGIN) {
      const node = textAt(structure, at + 4)
      nodes.push(node)
      at += 4 + align(node.length + 1)
    } else if (token === END) {
      nodes.pop()
      at += 4
    } else if (token === PROPERTY) {
      const length = structure.readUInt32BE(at + 4)
      const here = nodes.join('/') === wanted && textAt(names, structure.readUInt32BE(at + 8)) === name
      if (here) property = { at, length }
      at += 12 + align(length)
    } else if (token === NOTHING) at += 4
    else if (token === FINISH) return { property }
    else throw new ImageError(`device tree: an unknown token ${token}`)
  }
}

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at)
  if (end < 0) throw new ImageError('device tree: cut off')
  return bytes.toString('latin1', at, end)
}

const align = (length: number) => (length + 3) & ~3
