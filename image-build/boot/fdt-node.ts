/** Adds a node to a flattened device tree. Devicetree Specification 0.4, chapter 5. */
import { ImageError } from '../errors.ts'

const [BEGIN, END, PROPERTY] = [1, 2, 3]
const HEADER = 40

/** A node: properties by name, and nodes in it. */
export interface Node {
  readonly properties: Readonly<Record<string, Uint8Array>>
  readonly nodes?: Readonly<Record<string, Node>>
}

/** Cells of 32 bits, as properties hold them. */
export function cells(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4)
  return bytes
}

/** A text as a property holds it. */
export const text = (value: string): Buffer => Buffer.from(`${value}\0`, 'latin1')

/**
 * The tree with a node below its root, behind all others.
 *
 * @param tree - a whole device tree, version 17
 * @throws ImageError where its parts do not stand in the usual order
 */
export function addNode(tree: Uint8Array, name: string, node: Node): Buffer {
  const file = Buffer.from(tree.buffer, tree.byteOffset, tree.length)
  const [start, strings] = [file.readUInt32BE(8), file.readUInt32BE(12)]
  const [stringsSize, size] = [file.readUInt32BE(32), file.readUInt32BE(36)]
  if (strings < start + size) throw new ImageError('device tree: the names stand before the nodes')
  const structure = file.subarray(start, start + size)
  const names = new Names(file.subarray(strings, strings + stringsSize))
  // the last two tokens end the root and the tree
  const made = Buffer.concat([structure.subarray(0, -8), write(name, node, names), structure.subarray(-8)])
  const header = Buffer.from(file.subarray(0, HEADER))
  const grown = made.length - size
  const between = file.subarray(start + size, strings)
  const whole = Buffer.concat([file.subarray(HEADER, start), made, between, names.bytes()])
  header.writeUInt32BE(HEADER + whole.length, 4)
  header.writeUInt32BE(strings + grown, 12)
  header.writeUInt32BE(names.bytes().length, 32)
  header.writeUInt32BE(made.length, 36)
  return Buffer.concat([header, whole])
}

/** The block of names, each once. */
class Names {
  readonly #pieces: Buffer[]

  constructor(there: Buffer) {
    this.#pieces = [there]
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  /** @returns where the name stands */
  place(name: string): number {
    const bytes = this.bytes()
    const whole = bytes.indexOf(`\0${name}\0`, 0, 'latin1')
    if (whole >= 0) return whole + 1
    this.#pieces.push(text(name))
    return bytes.length
  }
}

function write(name: string, { properties, nodes = {} }: Node, names: Names): Buffer {
  const pieces: Buffer[] = [cells(BEGIN), padded(text(name))]
  for (const [property, value] of Object.entries(properties))
    pieces.push(cells(PROPERTY, value.length, names.place(property)), padded(value))
  for (const [child, inner] of Object.entries(nodes)) pieces.push(write(child, inner, names))
  pieces.push(cells(END))
  return Buffer.concat(pieces)
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}
