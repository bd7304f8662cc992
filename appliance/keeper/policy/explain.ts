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
  /** Each grant of the agent, in the order of the state: `allows`, or the first thing of it that does not fit. */
  readonly rules: readonly { readonly grant: string; readonly outcome: Outcome }[]
}

/** Explains what {@link decide} would say now. Nothing is counted. */
export function explain(ask: Ask, state: PolicyState, clock: PolicyClock): Explanation {
  const rules = state.grants
    .filter(grant => grant.agent === ask.agent)
    .map(grant => ({ grant: grant.id, outcome: judge(grant, ask, state.usage, clock).outcome }))
  return { decision: decide(ask, state, clock), rules }
}
