/** Who a caller is to the keeper, and whom the gate may let in: functions of one moment's situation. */
import type { Role, Standing, State } from '../../protocol/api/routes.ts'
import type { Provision } from '../provision.ts'
import { certifiedStanding } from '../standing.ts'
import type { Caller } from './rpc/messages.ts'
import type { SealedInvitation } from './sealed-state.ts'
import { hex, type Unlocked } from './unlocked.ts'

/** What admission depends on. */
export interface Situation {
  state: State
  namespace: string
  /** The registry; `null` unless operational. */
  unlocked: Unlocked | null
  /** Role of the enrolled agent with this pin; known while locked, too. */
  roleOf(pin: Uint8Array): Role | null
  /** Certificate of the authority, DER; none while unprovisioned. */
  authority: Uint8Array | undefined
  /** The card's, used only while unprovisioned. */
  provision: Provision | null
  /** Seconds since 1970. */
  now: number
}

/** An invitation is open until it expires. */
export function isOpen({ expires }: SealedInvitation, now: number): boolean {
  return expires > now
}

/**
 * The standing of a caller: the registry says who an agent is, or what the header keeps of it while it is locked away.
 *
 * @returns `null` for a caller who is nobody here
 */
export function standingOf(caller: Caller, situation: Situation): Standing | null {
  const { state, namespace, unlocked, provision, now } = situation
  const certified = certifiedStanding(caller, state)
  if (certified === 'claimant') {
    const pin = provision?.pin
    return pin && Buffer.compare(pin, caller.pin) === 0 ? 'claimant' : null
  }
  if (certified === null || caller.namespace !== namespace) return null
  if (certified === 'invited') {
    const invitation = unlocked?.invitations.get(caller.issuer.name)
    return invitation && isOpen(invitation, now) ? 'invited' : null
  }
  if (unlocked) return unlocked.agents.get(hex(caller.pin))?.role ?? null
  // Of a damaged keystore nobody can be known; there is nothing left to see but that.
  return state === 'failed' ? certified : situation.roleOf(caller.pin)
}

/** The certificates (DER) that a TLS client's chain may end in. */
export function issuersOf({ state, unlocked, authority, provision, now }: Situation): Uint8Array[] {
  if (state === 'unprovisioned') return provision ? [provision.administrator] : []
  const invitations = unlocked ? [...unlocked.invitations.values()] : []
  const open = invitations.filter(invitation => isOpen(invitation, now))
  return [...(authority ? [authority] : []), ...open.map(({ certificate }) => certificate)]
}
