/** What an operator may open, as its device says: its grants, gathered by purpose, and what is left of their budgets. */
import type { Reveal } from '../../../protocol/api/routes.ts'
import { REVEALS } from '../../../protocol/api/routes.ts'
import type { MyGrants } from '../../../protocol/api/schemas.ts'
import type { Appliance } from '../../client/appliance.ts'
import type { Purpose } from './api.ts'

/** @throws ApplianceError, ConnectionError */
export async function purposesOf(appliance: Appliance): Promise<Purpose[]> {
  return gatherPurposes(await appliance.myGrants())
}

/** By purpose, in the order of their names. Grants for rewrapping alone open nothing. */
export function gatherPurposes({ grants, budgets }: MyGrants): Purpose[] {
  const names = [
    ...new Set(grants.flatMap(grant => (waysOf(grant.reveal).length > 0 ? grant.purposes : []))),
  ].sort()
  return names.map(name => {
    const fitting = grants.filter(
      ({ purposes, reveal }) => purposes.includes(name) && waysOf(reveal).length > 0,
    )
    return {
      name,
      fields: [...new Set(fitting.flatMap(({ fields }) => fields))],
      reveal: waysOf(fitting.flatMap(({ reveal }) => reveal)),
      budgets: budgets
        .filter(({ purpose }) => purpose === name)
        .map(({ per, records, operations }) => ({ per, records, operations })),
    }
  })
}

const waysOf = (granted: readonly string[]): Reveal[] => REVEALS.filter(reveal => granted.includes(reveal))
