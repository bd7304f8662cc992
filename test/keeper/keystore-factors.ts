/** Factors for the keystore's tests. The keystore never stretches, so a hash stands for what Argon2id would give. */

import { createHash } from 'node:crypto'
import type { CostFloor, NewFactor } from '../../appliance/keeper/keystore/factors.ts'

/** Lets the tests make slots whose vectors are quick to derive. */
export const floor: CostFloor = { m: 8, t: 1 }

/** What the gate would hand over for something typed. */
export function typed(type: 'passphrase' | 'pin', text: string): NewFactor {
  const output = Uint8Array.from(createHash('sha256').update(text).digest())
  return { type, output, argon2: { m: 8, t: 1, p: 1, salt: new Uint8Array(16).fill(0x5a) } }
}
