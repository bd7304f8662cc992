/**
 * The one list of error codes: what each means, and which HTTP status carries it (RFC 9457 problem documents).
 *
 * A code is stable and safe to show to the caller. The `cause` of an error is for the device's own journal and
 * never crosses a wire, so no code tells a wrong key from a wrong context.
 */

export const ERRORS = {
  // what the caller sent
  'malformed-request': { status: 400, title: 'the request is not what the route accepts' },
  'bad-token': { status: 400, title: 'this is not a field token' },
  'bad-context': { status: 400, title: 'the context is not valid' },
  'bad-invitation': { status: 400, title: 'this is not an invitation' },
  'bad-certificate': { status: 400, title: 'the certificate cannot be used' },
  'bad-key': { status: 400, title: 'this is not a key that can be used' },
  'bad-recipient': { status: 400, title: 'this is not a key that can be forwarded to' },
  'bad-checkpoint': { status: 400, title: 'this is not a checkpoint of that log' },
  'forbidden-field': { status: 400, title: 'fields of this class must never be stored' },
  'too-large': { status: 413, title: 'the request is larger than the limit' },
  'unknown-route': { status: 404, title: 'there is no such route' },

  // who the caller is, what it may do, and when
  'unknown-agent': { status: 401, title: 'the caller is not an enrolled agent' },
  'wrong-role': { status: 403, title: 'the role of the caller may not do this' },
  'not-granted': { status: 403, title: 'no grant allows this' },
  'outside-hours': { status: 403, title: 'the grant is for other hours' },
  'touch-missing': { status: 403, title: 'the button of the device was not pressed' },
  'over-budget': { status: 429, title: 'the budget for this purpose is used up' },
  'too-many-tries': { status: 429, title: 'too many refused tries; wait before the next one' },
  'wrong-state': { status: 412, title: 'the device is not in a state that allows this' },
  'unlock-refused': { status: 403, title: 'the device was not unlocked' },
  'slot-destroyed': { status: 403, title: 'the unlock slot was destroyed after too many wrong tries' },
  'invitation-refused': { status: 403, title: 'the invitation was used, withdrawn, or has expired' },
  'too-many-requests': { status: 429, title: 'too many requests wait already' },

  // what it asked for
  'wrong-use': { status: 422, title: 'the key is not for ciphertexts of this form' },
  'not-mine': { status: 422, title: 'the stanza is for another key' },
  'open-failed': { status: 422, title: 'the ciphertext does not open' },
  'unknown-key': { status: 404, title: 'there is no such key' },
  'key-retired': { status: 422, title: 'this version of the key does not open any more' },
  'key-in-use': { status: 409, title: 'the key is in use' },
  'key-exists': { status: 409, title: 'a key of this name exists' },
  'unknown-name': { status: 404, title: 'there is no agent or invitation of this name' },
  'agent-exists': { status: 409, title: 'an agent or invitation of this name exists' },
  'last-administrator': { status: 409, title: 'the last administrator cannot be revoked' },
  'unknown-grant': { status: 404, title: 'there is no such grant' },
  'unknown-recipient': { status: 404, title: 'there is no such recipient' },
  'recipient-exists': { status: 409, title: 'a recipient of this name exists' },
  'unknown-entry': { status: 404, title: 'the log has no such entry' },
  'audit-in-use': { status: 409, title: 'these entries cannot be dropped yet' },

  // what went wrong on the device
  'keystore-busy': { status: 503, title: 'another process holds the keystore' },
  'keystore-damaged': { status: 503, title: 'the keystore file is damaged' },
  'rolled-back': { status: 503, title: 'the keystore is older than the log has seen' },
  'audit-unavailable': { status: 503, title: 'the audit log cannot be written, so nothing is done' },
  'audit-damaged': { status: 503, title: 'the audit log is damaged' },
  'storage-failed': { status: 507, title: 'the change could not be made durable' },
  'keeper-unavailable': { status: 503, title: 'the key process does not answer' },
  'health-unavailable': { status: 503, title: 'the health process does not answer' },
  'rpc-malformed': { status: 500, title: 'the processes of the device misunderstand each other' },
  internal: { status: 500, title: 'the device failed' },

  // what the host agent sees
  unreachable: { status: 0, title: 'no appliance answers there' },
  'device-mismatch': { status: 0, title: 'the device is not the one that was pinned' },
  'certificate-refused': { status: 0, title: 'the device does not accept this certificate' },
  'log-rolled-back': { status: 0, title: 'the log is not a continuation of what was seen before' },
  'link-failed': { status: 0, title: 'the serial link failed' },
  'bad-response': { status: 0, title: 'the device answered with something that is not its protocol' },
  'bad-profile': { status: 0, title: 'the enrolment stored on this machine cannot be used' },
  'bad-source': { status: 0, title: 'there is no such source of keys, or it cannot be used' },
  'key-file-refused': {
    status: 0,
    title: 'the key file does not open: another passphrase, or a damaged file',
  },

  // what the shop's own programs say
  'bad-record': { status: 0, title: 'the record is not what its type takes' },
  'bad-record-type': {
    status: 0,
    title: 'there is no such type of records, or its declaration cannot be used',
  },
  'bad-mapping': { status: 0, title: 'the mapping of the database cannot be used' },
  'database-failed': { status: 0, title: 'the database refused or failed' },
} as const

/** A stable error code; see {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS

/** True for a string that is one of the codes in {@link ERRORS}. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value)
}

/** What an error may tell its reader besides the code. */
export interface ErrorOptionsWithHint extends ErrorOptions {
  /** The next step for the reader, in one sentence without a capital or a full stop. */
  hint?: string
  /** When to try again, seconds since 1970. */
  free?: number
}

/**
 * Base of all our errors. Each operation has a subclass (`OpenError`, `KeystoreError`, …) so that a caller can tell
 * what failed by class and why by `code`.
 */
export class ClavigerError extends Error {
  /** What was refused or failed; stable. */
  readonly code: ErrorCode
  /** The next step for the reader, in one sentence without a capital or a full stop. */
  readonly hint: string | undefined
  /** When to try again, seconds since 1970. */
  readonly free: number | undefined

  constructor(code: ErrorCode, message: string = ERRORS[code].title, options: ErrorOptionsWithHint = {}) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    this.hint = options.hint
    this.free = options.free
  }
}
