/**
 * The error of everything that a broken line ends. docs/formats/link.md §4.
 */

import { ClavigerError } from '../api/errors.ts'

/** A session, a ping or a link failed: `link-failed`. */
export class LinkError extends ClavigerError {
  constructor(message: string, options?: ErrorOptions) {
    super('link-failed', message, options)
  }
}
