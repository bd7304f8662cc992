/**
 * Sealing a field with any HPKE: the part of {@link ./field.ts} that a browser can run too.
 */

import { contextInfo } from './context.ts'
import { TokenError } from './errors.ts'
import { ForbiddenFieldError, isForbiddenField } from './forbidden.ts'
import { EMPTY, type Hpke } from './hpke.ts'
import { formatToken, joinBody, MAX_PLAINTEXT_LENGTH, type PublicKey } from './token.ts'

/** Where a field belongs, besides the namespace and key name that the public key says. */
export interface FieldPlace {
  /** The class of the field, such as `card.number`. */
  readonly field: string
  /** The shop's own name for the row; empty binds to none. */
  readonly record: string
}

/**
 * Seals `plaintext` with `hpke`, whose suite is the public key's, and returns the token.
 * @throws ContextError `bad-context`
 * @throws ForbiddenFieldError `forbidden-field` for a class that must never be stored.
 * @throws TokenError `bad-token` when the plaintext is longer than 64 KiB.
 * @throws KeyError `bad-key` when the public key cannot be sealed to.
 */
export function sealFieldWith(
  hpke: Pick<Hpke<never>, 'seal'>,
  publicKey: PublicKey,
  { field, record }: FieldPlace,
  plaintext: Uint8Array,
): string {
  const { suite, namespace, key, version, bytes } = publicKey
  const info = contextInfo({ namespace, key, field, record })
  if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
  if (plaintext.length > MAX_PLAINTEXT_LENGTH) {
    throw new TokenError(`the plaintext is longer than ${MAX_PLAINTEXT_LENGTH} bytes`)
  }
  const { enc, ciphertext } = hpke.seal(bytes, info, EMPTY, plaintext)
  return formatToken({ suite, key, version, body: joinBody(enc, ciphertext) })
}
