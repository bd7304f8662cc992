/** What an administrator or auditor sees of a device: who is enrolled, who may what, and how it does. */
import type { AdminAnswer } from './api.ts'
import type { HealthHistory } from './history.ts'
import type { EnrolmentLink } from './link.ts'

/** @throws ApplianceError, also for other roles; ConnectionError */
export async function administer(link: EnrolmentLink, history: HealthHistory): Promise<AdminAnswer> {
  const appliance = await link.appliance()
  const isOpen = link.state === 'operational'
  const [health, { agents }, { grants }] = await Promise.all([
    appliance.health(),
    isOpen ? appliance.listAgents() : { agents: [] },
    isOpen ? appliance.listGrants() : { grants: [] },
  ])
  return { agents, grants, health, history: [...history.add(link, health)] }
}
