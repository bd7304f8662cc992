/** Why a request would be allowed or refused, grant by grant: the answer to "why can till 3 not see this?". */
import {
  type Ask,
  type Decision,
  decide,
  judge,
  type Outcome,
  type PolicyClock,
  type PolicyState,
} from './decide.ts'

export interface Explanation {
  readonly decision: Decision
  /** It is allowed only once somebody pressed the button. */
  readonly touch: boolean
  /**
   * Each grant of the agent, in the order of the state: `allows`, or the first thing of it that does not fit; `button`: that
   * there is none to press.
   */
  readonly rules: readonly { readonly grant: string; readonly outcome: Outcome | 'button' }[]
}

/**
 * Explains what {@link decide} would say now. Nothing is counted.
 * @param hasButton - whether a grant that wants a touch can have one
 */
export function explain(
  ask: Ask,
  { grants, usage }: PolicyState,
  clock: PolicyClock,
  hasButton = false,
): Explanation {
  const rules = grants
    .filter(grant => grant.agent === ask.agent)
    .map(grant => {
      const { outcome } = judge(grant, ask, usage, clock)
      return { grant: grant.id, outcome: outcome === 'touch' && !hasButton ? ('button' as const) : outcome }
    })
  const decision = decide(ask, { grants, usage, touched: hasButton }, clock)
  const touch = decision.code === undefined && !rules.some(({ outcome }) => outcome === 'allows')
  return { decision, touch, rules }
}
