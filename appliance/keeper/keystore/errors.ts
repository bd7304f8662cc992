/** The errors of the keystore, one class per operation (docs/formats/keystore.md, "Errors"). */

import { ClavigerError } from '../../../protocol/api/errors.ts'

/** Creating, loading or changing the keystore file failed; `code` says how. */
export class KeystoreError extends ClavigerError {}

/** A slot did not unlock. `unlock-refused` is the same for every wrong factor, so it tells nothing about which. */
export class UnlockError extends ClavigerError {}

/** The file does not have the shape of a keystore. The one error of every parser in this directory. */
export function damaged(message: string, cause?: unknown): KeystoreError {
  return new KeystoreError('keystore-damaged', message, { cause })
}

/** The caller handed in something no keystore accepts: a short PIN, an unknown factor, a bad name. */
export function malformed(message: string): KeystoreError {
  return new KeystoreError('malformed-request', message)
}
