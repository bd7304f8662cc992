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

/** The disk has no more room. */
export function diskFull(cause?: unknown): AuditError {
  const message = 'the disk is full, so nothing is done'
  return new AuditError('audit-unavailable', message, { cause, hint: EXPORT_HINT })
}

/** True for the error of a disk, or a quota, that has no more room. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Nothing can be written; says why, as far as an administrator can do something about it. */
export function unavailable(cause?: unknown): AuditError {
  if (isDiskFull(cause)) return diskFull(cause)
  if (!(cause instanceof AuditError)) return new AuditError('audit-unavailable', undefined, { cause })
  if (cause.code !== 'audit-damaged') return cause
  return new AuditError('audit-unavailable', 'the audit log is damaged, so nothing is done', {
    cause,
    hint: 'ask for the health of the device; it names the damage',
  })
}
