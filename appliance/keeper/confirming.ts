/**
 * Whether a request needs a touch, and the wait for it. Nothing is counted and nothing is written before it ended, and then
 * the request is decided anew: what waits costs nothing, takes no room from others, and goes by what holds afterwards.
 */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { type Decided, decideItems } from './decrypt.ts'
import type { Work } from './opening.ts'
import type { Caller } from './rpc/messages.ts'
import { agentOf, operational, type Service } from './service.ts'

/**
 * Waits for a press of the button where only that would let an item through.
 *
 * @returns whether there was one for this request
 * @throws ClavigerError `too-many-tries`: who has to wait for its refusals asks nobody to come to the device
 */
export async function confirm(
  service: Service,
  caller: Caller,
  { purpose, items }: Pick<Work<never, never>, 'purpose' | 'items'>,
): Promise<boolean> {
  const { recorder, presence, vault } = service
  const unlocked = operational(service)
  const agent = agentOf(unlocked, caller)
  if (!agent) throw new ClavigerError('unknown-agent')
  const wantsTouch = unlocked.grants.some(
    ({ agent: name, purposes, presence }) =>
      presence === 'touch' && name === agent.name && purposes.includes(purpose),
  )
  if (!wantsTouch || !presence.hasButton) return false
  const usage = recorder.chronicle.usage.copy(agent.name, purpose)
  const { namespace } = vault
  const decided = decideItems({ namespace, unlocked, agent, usage, clock: recorder.now }, purpose, items)
  // What trips lockdown does so now, whatever else is in the batch.
  if (!decided.some(isTouchMissing) || decided.some(tripsNow)) return false
  const isRefused = decided.every(({ code, alarm }) => code !== undefined && !alarm)
  if (isRefused) recorder.mayTry(caller)
  return presence.ask({ namespace, agent: agent.name })
}

const isTouchMissing = ({ code }: Decided) => code === 'touch-missing'
const tripsNow = (decided: Decided) => decided.alarm === true && !isTouchMissing(decided)
