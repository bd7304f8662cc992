/**
 * `claviger/seal`: sealing on the shop's server, on Node. docs/client.md is the guide, docs/client/seal.md the reference.
 *
 * @module seal
 */

export type { ErrorCode } from '../../protocol/api/errors.ts'
export { ClavigerError } from '../../protocol/api/errors.ts'
export type { FieldPlace } from '../../protocol/envelope/seal-field.ts'
export { type Seal, SealError, sealer } from './seal.ts'
