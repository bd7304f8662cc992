/** What can be wrong with a record, or with the declaration of a type of records (docs/records.md). */
import { ClavigerError } from '../../../protocol/api/errors.ts'

/** A value that its type does not take. Code `bad-record`. The message names the input and never quotes its text. */
export class RecordError extends ClavigerError {
  /** Name of the type, such as `card`. */
  readonly type: string
  /** Name of the input or part, such as `number`; empty where it is about the record as a whole. */
  readonly input: string
  constructor(place: { type: string; input?: string }, what: string, hint: string) {
    super('bad-record', `${[place.type, place.input].filter(Boolean).join('.')}: ${what}`, { hint })
    this.type = place.type
    this.input = place.input ?? ''
  }
}

/** A declaration of types that cannot be used, or a type that was never declared. Code `bad-record-type`. */
export class RecordTypeError extends ClavigerError {
  constructor(what: string, hint: string, cause?: unknown) {
    super('bad-record-type', what, { hint, cause })
  }
}
