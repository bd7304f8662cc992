/**
 * The context of a sealed field: where it belongs, so that a ciphertext copied to another row or column does not open
 * (docs/formats/envelope.md, "Context").
 */

import { ContextError } from './errors.ts'

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
const LABEL = 'claviger/field/v1'
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
  const { record } = context
  checkRecord(record)
  // No part reaches 256 bytes, so the high byte of each length is zero. Everything before the record is ASCII, whose
  // UTF-8 is itself: the whole is encoded in one go, and then the length of the record's bytes is known and put in.
  const head = `${LABEL}${prefixed(context.namespace, 'namespace')}${prefixed(context.key, 'key')}${prefixed(context.field, 'field')}`
  const info = encoder.encode(`${head}\0\0${record}`)
  const recordLength = info.length - head.length - 2
  if (recordLength > MAX_RECORD_LENGTH) throw recordTooLong()
  info[head.length + 1] = recordLength
  return info
}

function prefixed(name: unknown, title: string): string {
  if (!isName(name)) {
    throw new ContextError(
      `the ${title} must be 1 to 32 of a-z, 0-9, dot and hyphen, and start with a letter or a digit`,
    )
  }
  return `\0${String.fromCharCode(name.length)}${name}`
}

function checkRecord(record: unknown): void {
  if (typeof record !== 'string') throw new ContextError('the record must be a string')
  // Each UTF-16 unit is at least one byte: refuse before encoding, so that a hostile length costs nothing.
  if (record.length > MAX_RECORD_LENGTH) throw recordTooLong()
  if (!record.isWellFormed()) throw new ContextError('the record has half of a surrogate pair')
}

function recordTooLong(): ContextError {
  return new ContextError(`the record is longer than ${MAX_RECORD_LENGTH} bytes`)
}
