/**
 * The payload inside of a legacy envelope: several values in one text, such as tab, card number, tab, code, tab, expiry. A
 * form says which part is which field, and which are dropped; it belongs to the key, so that what must not be kept is
 * dropped wherever that key opens anything.
 */

import { isName } from './context.ts'
import { KeyError } from './errors.ts'
import { ForbiddenFieldError, isForbiddenField } from './forbidden.ts'
import { type LegacyCharset, textToUtf8 } from './legacy-charset.ts'

/** What a payload consists of. */
export interface PayloadForm {
  /** One ASCII character between the parts. */
  readonly separator: string
  /** Class of each part in its order, such as `card.number`; empty for one that is dropped. */
  readonly fields: readonly string[]
  /** Of its text; UTF-8 where it is missing. */
  readonly charset?: LegacyCharset
}

/** Most parts of a payload. */
export const MAX_PARTS = 16
/** Most parts that are kept. */
export const MAX_KEPT = 8

/** The fields of a payload that are kept, in order. */
export function keptFields({ fields }: PayloadForm): string[] {
  return fields.filter(field => field !== '')
}

/**
 * Holds a form that an administrator wants against the rules.
 * @throws KeyError `bad-key`; ForbiddenFieldError `forbidden-field` for a part that must be dropped instead
 */
export function checkForm(form: PayloadForm): void {
  const { separator, fields } = form
  if (separator.length !== 1 || separator > '\x7f' || separator === '\0')
    throw new KeyError('the separator is one ASCII character')
  const kept = keptFields(form)
  if (kept.length === 0) throw new KeyError('at least one part of a payload is kept')
  if (fields.length > MAX_PARTS || kept.length > MAX_KEPT)
    throw new KeyError(`a payload has at most ${MAX_PARTS} parts, of which ${MAX_KEPT} are kept`)
  if (new Set(kept).size < kept.length) throw new KeyError('the fields of a payload differ from each other')
  for (const field of kept) {
    if (!isName(field)) throw new KeyError(`'${field}' is no field`)
    if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
  }
}

/**
 * Splits a payload, which must have exactly the parts of the form. Those that are kept must be text of its character set,
 * without control characters but line breaks. Random bytes, which is what a wrong key gives, hardly ever are.
 * @returns the parts that are kept, in order, in UTF-8 and bytes of their own; `null` for a payload of another form
 */
export function splitPayload(
  { separator, fields, charset = 'utf-8' }: PayloadForm,
  payload: Uint8Array,
): Uint8Array[] | null {
  const code = separator.charCodeAt(0)
  const ends: number[] = []
  for (const [at, byte] of payload.entries()) if (byte === code) ends.push(at)
  ends.push(payload.length)
  if (ends.length !== fields.length || payload.length === 0) return null
  const parts: Uint8Array[] = []
  for (const [i, field] of fields.entries()) {
    if (field === '') continue
    const part = textToUtf8(payload.subarray(i === 0 ? 0 : ends[i - 1]! + 1, ends[i]), charset)
    if (part) parts.push(part)
    else {
      for (const each of parts) each.fill(0)
      return null
    }
  }
  return parts
}
