/**
 * What a caller is, read from the certificate that TLS has verified. The gate refuses early by it; the keeper decides
 * by its registry, and falls back on this only while the registry is locked away.
 */
import { ROLES, type Role, type Standing, type State } from '../protocol/api/routes.ts'
import type { Caller } from './keeper/rpc/messages.ts'

/** Role in the subject of our authority's certificate, and of an invitation's. */
export const AUTHORITY = 'authority'
export const INVITATION = 'invitation'

/** @returns the standing that the certificate claims; `null` for a chain that ends in nothing of ours */
export function certifiedStanding(caller: Caller, state: State): Standing | null {
  // An authority signs for its own namespace; what else it signs is nothing to us.
  if (caller.issuer.namespace !== caller.namespace) return null
  if (caller.issuer.role === INVITATION) return 'invited'
  if (caller.issuer.role === AUTHORITY) return isRole(caller.role) ? caller.role : null
  return state === 'unprovisioned' ? 'claimant' : null
}

function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text)
}
