/**
 * Seals fields in a browser, so that a value is sealed before it reaches the shop's server: {@link ./seal.ts} in plain
 * JavaScript. Nothing it imports comes from node.
 */

import { nobleHpke } from '../../protocol/envelope/hpke-noble.ts'
import { FIELD_SUITES } from '../../protocol/envelope/suites.ts'
import { type Seal, sealerWith } from './sealer.ts'

export { type Seal, SealError } from './sealer.ts'

/**
 * A function that seals values to a public key (`clvp1:…`).
 * @throws KeyError `bad-key` when the text is not a public key.
 */
export function sealer(publicKey: string): Seal {
  return sealerWith(suite => nobleHpke(FIELD_SUITES[suite]), publicKey)
}
