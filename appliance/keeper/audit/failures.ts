/** What the log says when it cannot do its work: two errors, and the next step for an administrator. */

import { AuditError } from '../../../protocol/audit/errors.ts'

const EXPORT_HINT = 'export the log, then archive what was exported'

/** The log is not what it was. @param index first entry that is known to be affected */
export function damaged(message: string, index?: number): AuditError {
  return new AuditError('audit-damaged', `the audit log is damaged: ${message}`, {
    hint: 'keep the disk as evidence, export the log and compare it with what the agents saw',
    ...(index === undefined ? {} : { index }),
  })
}

/** The log has as many entries as it may have. */
export function full(): AuditError {
  return new AuditError('audit-unavailable', 'the audit log is full, so nothing is done', {
    hint: EXPORT_HINT,
  })
}

/** Nothing can be written; says why, as far as an administrator can do something about it. */
export function unavailable(cause?: unknown): AuditError {
  if (cause instanceof AuditError && cause.code === 'audit-unavailable') return cause
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AuditError('audit-unavailable', 'the disk is full, so nothing is done', {
      cause,
      hint: EXPORT_HINT,
    })
  if (code === 'audit-damaged')
    return new AuditError('audit-unavailable', 'the audit log is damaged, so nothing is done', { cause })
  return new AuditError('audit-unavailable', undefined, { cause })
}
