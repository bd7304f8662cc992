/** What can be wrong with what labels are asked for. */
import { ClavigerError } from '../../../protocol/api/errors.ts'

/** Somebody chose what is not there: code `malformed-request`. On the command line it is wrong usage. */
export class ChoiceError extends ClavigerError {
  constructor(message: string, hint: string) {
    super('malformed-request', message, { hint })
  }
}
