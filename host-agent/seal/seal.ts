/**
 * Seals fields on a shop's server running Node: all that is needed is the public key's text
 * (docs/formats/envelope.md, "Sealing without us").
 */

import { nodeHpke } from '../../protocol/envelope/hpke-node.ts'
import { FIELD_SUITES, type SuiteLetter } from '../../protocol/envelope/suites.ts'
import { type Seal, sealerWith } from './sealer.ts'

export { type Seal, SealError } from './sealer.ts'

const HPKE = { x: nodeHpke(FIELD_SUITES.x), p: nodeHpke(FIELD_SUITES.p), q: nodeHpke(FIELD_SUITES.q) }

/**
 * A function that seals values to a public key, on node:crypto.
 *
 * @param publicKey - `clvp1:…`, as `claviger admin key show --public` prints it
 * @throws KeyError `bad-key` when the text is not a public key.
 */
export function sealer(publicKey: string): Seal {
  return sealerWith((suite: SuiteLetter) => HPKE[suite], publicKey)
}
