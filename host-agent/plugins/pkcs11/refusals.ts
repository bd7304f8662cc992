/** Which return value an application gets for what the device refused, or for a device that is not there. docs/pkcs11.md, "Refusals". */
import { ClavigerError, type ErrorCode } from '../../../protocol/api/errors.ts'
import { CKR, Refusal } from './constants.ts'

const VALUES: { readonly [code in ErrorCode]?: number } = {
  // one value for everything that does not open, whatever the cause
  'open-failed': CKR.ENCRYPTED_DATA_INVALID,
  'bad-token': CKR.ENCRYPTED_DATA_INVALID,
  'bad-context': CKR.MECHANISM_PARAM_INVALID,
  'bad-key': CKR.MECHANISM_PARAM_INVALID,
  'not-granted': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'outside-hours': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'wrong-role': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'wrong-use': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'forbidden-field': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'key-retired': CKR.KEY_FUNCTION_NOT_PERMITTED,
  'unknown-key': CKR.KEY_HANDLE_INVALID,
  'touch-missing': CKR.FUNCTION_CANCELED,
  'over-budget': CKR.FUNCTION_REJECTED,
  'too-many-tries': CKR.FUNCTION_REJECTED,
  'too-many-requests': CKR.FUNCTION_REJECTED,
  'unlock-refused': CKR.PIN_INCORRECT,
  'slot-destroyed': CKR.PIN_LOCKED,
  unreachable: CKR.DEVICE_REMOVED,
  'link-failed': CKR.DEVICE_REMOVED,
}

/** @param code - of a refused request, or of one item of it */
export function rvOf(code: string, state?: string): number {
  if (code === 'wrong-state' && state === 'locked') return CKR.USER_NOT_LOGGED_IN
  return VALUES[code as ErrorCode] ?? CKR.DEVICE_ERROR
}

/** @returns the refusal that an error is told as */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (!(error instanceof ClavigerError)) return new Refusal(CKR.GENERAL_ERROR)
  return new Refusal(rvOf(error.code, (error as { state?: string }).state))
}
