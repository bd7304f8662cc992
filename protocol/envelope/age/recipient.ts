/**
 * The public half of our keys as age writes recipients (c2sp.org/age): `age1…` of suite x, `age1tag1…` of suite p, `age1pq1…` of
 * suite q. Whoever has one encrypts files to the key with a stock age.
 */

import { concat } from '../../bytes.ts'
import type { SuiteLetter } from '../suites.ts'
import { bech32Encode } from './bech32.ts'

const PREFIXES: Readonly<Record<SuiteLetter, string>> = { x: 'age', p: 'age1tag', q: 'age1pq' }
const COORDINATE_LENGTH = 32

/** @param publicKey - serialized as RFC 9180 §7.1.1 and draft-connolly-cfrg-xwing-kem §5.2 say */
export function ageRecipient(suite: SuiteLetter, publicKey: Uint8Array): string {
  return bech32Encode(PREFIXES[suite], suite === 'p' ? compressP256(publicKey) : publicKey)
}

/** SEC 1 §2.3.3: x after a byte that says whether y is odd. */
export function compressP256(point: Uint8Array): Uint8Array {
  const x = point.subarray(1, 1 + COORDINATE_LENGTH)
  return concat(Uint8Array.of(0x02 | (point.at(-1)! & 1)), x)
}
