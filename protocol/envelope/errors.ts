/**
 * The errors of the envelope: one class per operation, each with one code (docs/formats/envelope.md).
 *
 * Opening has a single error with a single message. Wrong key, wrong context, damaged bytes and bytes made to hurt look
 * alike to the caller; what happened underneath is in `cause`, which stays in the device's journal.
 */

import { ClavigerError } from '../api/errors.ts'

/** A context that breaks the grammar or a limit. Code `bad-context`. */
export class ContextError extends ClavigerError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad-context', message, options)
  }
}

/** Text that is not a field token in its one canonical form. Code `bad-token`. */
export class TokenError extends ClavigerError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad-token', message, options)
  }
}

/** A ciphertext that does not open, for whatever reason. Code `open-failed`, always the same message. */
export class OpenError extends ClavigerError {
  constructor(options?: ErrorOptions) {
    super('open-failed', undefined, options)
  }
}

/** A public or private key that cannot be used. Code `bad-key`. */
export class KeyError extends ClavigerError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad-key', message, options)
  }
}
