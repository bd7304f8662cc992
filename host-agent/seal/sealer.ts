/**
 * What sealing is on a server and in a browser alike: a public key's text, a place, a value, and a token.
 */

import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Hpke } from '../../protocol/envelope/hpke.ts'
import { type FieldPlace, sealFieldWith } from '../../protocol/envelope/seal-field.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'

/** A value that cannot be sealed. Code `malformed-request`. */
export class SealError extends ClavigerError {
  constructor(message: string) {
    super('malformed-request', message)
  }
}

/**
 * Seals a value, text or bytes of at most 64 KiB, for a place in a record and returns the token. All errors are {@link ClavigerError}.
 *
 * @throws ContextError `bad-context`
 * @throws ForbiddenFieldError `forbidden-field` for a class that must never be stored, such as `card.cvv`.
 * @throws TokenError `bad-token` when the value is too long.
 * @throws SealError `malformed-request` when the text has half of a surrogate pair, which UTF-8 could not carry.
 */
export type Seal = (place: FieldPlace, value: string | Uint8Array) => string

/** {@link Seal} over an implementation of HPKE. */
export function sealerWith(
  hpkeOf: (suite: SuiteLetter) => Pick<Hpke<never>, 'seal'>,
  publicKeyText: string,
): Seal {
  const publicKey = parsePublicKey(publicKeyText)
  const hpke = hpkeOf(publicKey.suite)
  const encoder = new TextEncoder()
  return (place, value) => {
    if (typeof value !== 'string') return sealFieldWith(hpke, publicKey, place, value)
    if (!value.isWellFormed()) throw new SealError('the value has half of a surrogate pair')
    const plaintext = encoder.encode(value)
    try {
      return sealFieldWith(hpke, publicKey, place, plaintext)
    } finally {
      plaintext.fill(0)
    }
  }
}
