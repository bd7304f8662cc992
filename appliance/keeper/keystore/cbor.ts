/**
 * Deterministic CBOR (RFC 8949 §4.2.1) for the keystore header: unsigned integers, byte strings, text, arrays and
 * maps with text keys, nothing else. Each value has one encoding, and the decoder refuses every other.
 */

import { decode, encode, rfc8949EncodeOptions, Tokenizer, Type } from 'cborg'
import { damaged } from './errors.ts'

/** What a header may be made of. Integers are at most 2^53 - 1. */
export type CborValue = number | string | Uint8Array | CborValue[] | Map<string, CborValue>

const MAX_DEPTH = 8
const ALLOWED = new Set(['uint', 'bytes', 'string', 'array', 'map'])
const OPTIONS = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
}

/** Counts open arrays and maps, because cborg itself recurses as deep as the input says. */
class BoundedTokenizer extends Tokenizer {
  readonly #open: number[] = []

  override next() {
    const token = super.next()
    if (!ALLOWED.has(token.type.name)) throw new Error(`the type ${token.type.name} is not used here`)
    while (this.#open.length > 0 && this.#open.at(-1) === 0) this.#open.pop()
    if (this.#open.length > 0) this.#open[this.#open.length - 1]! -= 1
    if (Type.equals(token.type, Type.array)) this.#open.push(token.value)
    if (Type.equals(token.type, Type.map)) this.#open.push(token.value * 2)
    if (this.#open.length > MAX_DEPTH) throw new Error('the nesting is too deep')
    return token
  }
}

/** The one deterministic encoding of a value. */
export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value, rfc8949EncodeOptions)
}

/**
 * Decodes one value that fills `bytes` exactly and is encoded as {@link encodeCbor} would.
 *
 * @throws keystore-damaged
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  let value: CborValue
  let again: Uint8Array
  try {
    value = decode(bytes, { ...OPTIONS, tokenizer: new BoundedTokenizer(bytes, OPTIONS) })
    again = encodeCbor(value)
  } catch (cause) {
    throw damaged('the header is not canonical CBOR', cause)
  }
  if (Buffer.compare(bytes, again) !== 0) throw damaged('the header is not canonical CBOR')
  return value
}

/**
 * The values of a map that has exactly these keys, in the order of `names`.
 *
 * @throws keystore-damaged
 */
export function fieldsOf(value: CborValue | undefined, ...names: string[]): CborValue[] {
  if (!(value instanceof Map) || value.size !== names.length) throw damaged('the header lacks a field')
  return names.map(name => {
    const field = value.get(name)
    if (field === undefined) throw damaged('the header lacks a field')
    return field
  })
}

/** @throws keystore-damaged unless the value is an integer in the range, both ends included */
export function uintIn(value: CborValue | undefined, low: number, high: number): number {
  if (typeof value !== 'number' || value < low || value > high) throw damaged('a number is out of range')
  return value
}

/** @throws keystore-damaged unless the value is a byte string, of `length` bytes if that is given */
export function bytesOf(value: CborValue | undefined, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
    throw damaged('a byte string is missing or has the wrong length')
  }
  return value
}

/** @throws keystore-damaged unless the value is text that matches */
export function textLike(value: CborValue | undefined, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw damaged('a text is missing or not allowed')
  return value
}
