/**
 * Blind indexes: a column that finds equal values without opening them (docs/records.md, "The blind index").
 *
 * HMAC-SHA-256 (RFC 2104) under a key that is made for each field from the shop's index key (HKDF, RFC 5869), cut to a few bits
 * (docs/decisions/blind-index-bits.md).
 */
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto'
import { isName } from '../../../protocol/envelope/context.ts'
import { ContextError, KeyError } from '../../../protocol/envelope/errors.ts'
import { ForbiddenFieldError, isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import { RecordError, RecordTypeError } from './errors.ts'

/** Bits of an index where nobody says otherwise: several values share each, once there are 65,536 of them. */
export const DEFAULT_BITS = 16
/** Most bits. More would find nothing more. */
export const MOST_BITS = 128
/** Length of the shop's index key, in bytes. */
export const INDEX_KEY_LENGTH = 32

const LABEL = 'claviger/index/v1/'

/** The index of a value: base64url without padding, `bits / 8` bytes. */
export type BlindIndex = (value: string) => string

/**
 * Makes the indexes of one field.
 *
 * @param key - the shop's index key, {@link INDEX_KEY_LENGTH} random bytes; never the key that fields are sealed with
 * @param field - class of the field, such as `card.number`. Equal values have equal indexes within a field and nowhere else
 * @param bits - a multiple of 8, from 8 to {@link MOST_BITS}
 * @returns a function of the value as `join` has it, so that spaces and dashes make no difference
 * @throws KeyError `bad-key`
 * @throws ContextError `bad-context`, when the field is no name
 * @throws ForbiddenFieldError `forbidden-field`: what must not be stored has no index either
 * @throws RecordTypeError `bad-record-type`, when there cannot be so many bits
 */
export function blindIndex(key: Uint8Array, field: string, bits: number = DEFAULT_BITS): BlindIndex {
  if (!(key instanceof Uint8Array) || key.length !== INDEX_KEY_LENGTH)
    throw new KeyError(`an index key has ${INDEX_KEY_LENGTH} bytes`)
  if (!isName(field)) throw new ContextError('the field must be 1 to 32 of a-z, 0-9, dot and hyphen')
  if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
  if (!Number.isInteger(bits) || bits % 8 !== 0 || bits < 8 || bits > MOST_BITS)
    throw new RecordTypeError('an index cannot have so many bits', `a multiple of 8, from 8 to ${MOST_BITS}`)
  const derived = new Uint8Array(hkdfSync('sha256', key, '', `${LABEL}${field}`, 32))
  const fieldKey = createSecretKey(derived)
  derived.fill(0)
  return value => {
    if (typeof value !== 'string' || value === '' || !value.isWellFormed())
      throw new RecordError(
        { type: field },
        'there is no text to index',
        'index what join gives, and only what is there',
      )
    return createHmac('sha256', fieldKey)
      .update(value, 'utf8')
      .digest()
      .subarray(0, bits / 8)
      .toString('base64url')
  }
}
