/**
 * The context of a sealed field: where it belongs, so that a ciphertext copied to another row or column does not open
 * (docs/formats/envelope.md, "Context").
 */

import { ContextError } from './errors.ts'
import { ascii } from './hpke.ts'

/** Where a sealed field belongs. */
export interface Context {
  /** The shop. */
  readonly namespace: string
  /** The key's name without its version, such as `orders`. */
  readonly key: string
  /** The class of the field, such as `card.number`. */
  readonly field: string
  /** The shop's own name for the row, UTF-8 of at most 255 bytes; empty means bound to no row. */
  readonly record: string
}

/** Longest `record`, in bytes of UTF-8. */
export const MAX_RECORD_LENGTH = 255

const NAME = /^[a-z0-9][a-z0-9.-]{0,31}$/
const LABEL = ascii('claviger/field/v1')
const encoder = new TextEncoder()

/** True for a namespace, key name or field name: 1 to 32 of `a-z 0-9 . -`, the first a letter or a digit. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

/**
 * The HPKE `info` of a context: the label, then each part after its length as u16be. Lengths make it injective: no two
 * contexts share it.
 * @throws ContextError `bad-context`
 */
export function contextInfo(context: Context): Uint8Array {
  const namespace = nameBytes(context.namespace, 'namespace')
  const key = nameBytes(context.key, 'key')
  const field = nameBytes(context.field, 'field')
  const record = recordBytes(context.record)
  const info = new Uint8Array(LABEL.length + 8 + namespace.length + key.length + field.length + record.length)
  info.set(LABEL)
  let offset = LABEL.length
  for (const part of [namespace, key, field, record]) {
    // No part reaches 256 bytes, so the high byte of its length stays zero.
    info[offset + 1] = part.length
    info.set(part, offset + 2)
    offset += 2 + part.length
  }
  return info
}

function nameBytes(value: unknown, title: string): Uint8Array {
  if (!isName(value)) {
    throw new ContextError(
      `the ${title} must be 1 to 32 of a-z, 0-9, dot and hyphen, and start with none of the last two`,
    )
  }
  return encoder.encode(value)
}

function recordBytes(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new ContextError('the record must be a string')
  if (!value.isWellFormed()) throw new ContextError('the record has half of a surrogate pair')
  // Each UTF-16 unit is at least one byte: refuse before encoding, so that a hostile length costs nothing.
  const bytes = value.length > MAX_RECORD_LENGTH ? undefined : encoder.encode(value)
  if (bytes === undefined || bytes.length > MAX_RECORD_LENGTH) {
    throw new ContextError(`the record is longer than ${MAX_RECORD_LENGTH} bytes`)
  }
  return bytes
}
