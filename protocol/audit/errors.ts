/** The errors of the audit log, one class per operation (docs/formats/audit.md, "Errors"). */

import { ClavigerError, type ErrorOptionsWithHint } from '../api/errors.ts'

/** What else an {@link AuditError} may say. */
export interface AuditErrorOptions extends ErrorOptionsWithHint {
  /** The first entry that is known to be affected. */
  index?: number
}

/**
 * Writing, reading or verifying the log failed. Codes: `audit-unavailable` (nothing can be written), `audit-damaged` (the
 * log is not what it was), `unknown-entry`, `audit-in-use`, `too-large`, `malformed-request`, `bad-key`.
 */
export class AuditError extends ClavigerError {
  /** The first entry that is known to be affected, `null` if that cannot be told. */
  readonly index: number | null

  constructor(
    code:
      | 'audit-unavailable'
      | 'audit-damaged'
      | 'unknown-entry'
      | 'audit-in-use'
      | 'too-large'
      | 'malformed-request'
      | 'bad-key',
    message?: string,
    options: AuditErrorOptions = {},
  ) {
    super(code, message, options)
    this.index = options.index ?? null
  }
}

/** Text that is no checkpoint of this log, or is not signed with its key. Code `bad-checkpoint`. */
export class CheckpointError extends ClavigerError {
  constructor(message?: string, options?: ErrorOptions) {
    super('bad-checkpoint', message, options)
  }
}
