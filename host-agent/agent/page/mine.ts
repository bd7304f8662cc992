/** What the device tells an agent about itself alone. */
import type { GrantInfo, Health } from '../../../protocol/api/schemas.ts'
import type { Appliance } from '../../client/appliance.ts'

/** Grants of the caller, and what is left of their budgets. */
export interface OwnGrants {
  grants: Pick<GrantInfo, 'fields' | 'purposes' | 'reveal'>[]
  budgets: Pick<Health['budgets'][number], 'purpose' | 'per' | 'records' | 'operations'>[]
}

/** Entries of the log that the caller made. */
export interface OwnEntries {
  /** As they stand in the log. */
  entries: string[]
  /** Whether there are no more than these. */
  complete: boolean
}

interface TellsMine {
  myGrants(): Promise<OwnGrants>
  auditMine(body: { since: number; limit: number }): Promise<OwnEntries>
}

/** @throws ApplianceError, ConnectionError */
export function grantsOf(appliance: Appliance): Promise<OwnGrants> {
  return (appliance as Appliance & TellsMine).myGrants()
}

/** @param since - seconds since 1970 @throws ApplianceError, ConnectionError */
export function entriesOf(appliance: Appliance, since: number, limit: number): Promise<OwnEntries> {
  return (appliance as Appliance & TellsMine).auditMine({ since, limit })
}
