/** Who a caller is to the keeper, and whom the gate may let in: functions of one moment's situation. */
import type { Standing, State } from '../../protocol/api/routes.ts'
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
 * The standing of a caller: the registry says who an agent is; while it is locked away, the certificate does.
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
  return unlocked ? (unlocked.agents.get(hex(caller.pin))?.role ?? null) : certified
}

/** The certificates (DER) that a TLS client's chain may end in. */
export function issuersOf({ state, unlocked, authority, provision, now }: Situation): Uint8Array[] {
  if (state === 'unprovisioned') return provision ? [provision.administrator] : []
  const invitations = unlocked ? [...unlocked.invitations.values()] : []
  const open = invitations.filter(invitation => isOpen(invitation, now))
  return [...(authority ? [authority] : []), ...open.map(({ certificate }) => certificate)]
}
