/**
 * CBOR as every part of Claviger reads and writes it: the core deterministic encoding of RFC 8949 §4.2.1, decoded
 * strictly and with bounded nesting. The codec is `cborg`; this file holds the one set of options.
 */
import { type DecodeOptions, decode, encodeInto, rfc8949EncodeOptions, Tokenizer } from 'cborg'
import { encodedLength } from 'cborg/length'

/** What one CBOR item may hold here: no tags, no floats, no undefined. */
export type Cbor =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Cbor[]
  | { readonly [key: string]: Cbor }

const MAX_DEPTH = 16

const OPTIONS: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  allowInfinity: false,
  allowNaN: false,
  rejectDuplicateMapKeys: true,
}

/** Refuses an array or map below `maxDepth` before the decoder recurses into it. */
class BoundedTokenizer extends Tokenizer {
  readonly #open: number[] = []
  readonly #maxDepth: number

  constructor(bytes: Uint8Array, maxDepth: number) {
    super(bytes, OPTIONS)
    this.#maxDepth = maxDepth
  }

  override next(): ReturnType<Tokenizer['next']> {
    const token = super.next()
    const open = this.#open
    if (open.length > 0) open[open.length - 1]! -= 1
    if (token.type.name === 'array' || token.type.name === 'map') {
      open.push(token.type.name === 'map' ? token.value * 2 : token.value)
      if (open.length > this.#maxDepth) throw new RangeError('nested too deeply')
    }
    while (open.length > 0 && open[open.length - 1]! <= 0) open.pop()
    return token
  }
}

/**
 * Encodes a value deterministically: equal values give equal bytes. The result is the only copy of the byte strings in
 * it, so that whoever zeroes it leaves none in the encoder's chunks.
 */
export function encodeCbor(value: Cbor): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(encodedLength(value, rfc8949EncodeOptions))
  encodeInto(value, bytes, rfc8949EncodeOptions)
  return bytes
}

/**
 * Decodes exactly one item.
 *
 * @param maxDepth - arrays and maps inside each other, at most
 * @throws Error of any kind for bytes that are not one strict CBOR item; callers give it their own code
 */
export function decodeCbor(bytes: Uint8Array, maxDepth: number = MAX_DEPTH): unknown {
  return decode(bytes, { ...OPTIONS, tokenizer: new BoundedTokenizer(bytes, maxDepth) })
}

/**
 * Decodes exactly one item that is encoded as {@link encodeCbor} would: for files, where equal content must mean equal
 * bytes. Messages need no such proof.
 *
 * @param maxDepth - arrays and maps inside each other, at most
 * @throws Error of any kind, as {@link decodeCbor}
 */
export function decodeCanonicalCbor(bytes: Uint8Array, maxDepth: number = MAX_DEPTH): unknown {
  const value = decodeCbor(bytes, maxDepth)
  if (Buffer.compare(bytes, encodeCbor(value as Cbor)) !== 0)
    throw new Error('this is not the canonical form')
  return value
}
