/** The key that signs a namespace's log, as those who verify it write it down. */
import { createPublicKey } from 'node:crypto'
import { formatVerifierKey } from '../../protocol/audit/checkpoint.ts'
import type { Vault } from './vault.ts'

/** Origin of the log of a namespace, in its checkpoints and in its verifier key. */
export const originOf = (namespace: string): string => `claviger/${namespace}`

/** The verifier key of the log, a signed-note key; readable while locked. */
export function logKeyOf(vault: Vault): string {
  const key = Buffer.from(vault.public('log')!)
  return formatVerifierKey(originOf(vault.namespace), createPublicKey({ key, format: 'der', type: 'spki' }))
}
