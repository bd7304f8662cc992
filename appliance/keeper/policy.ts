/** The decision whether an agent may open a field: one function, so that there is one place to read and to replace. */
import type { SealedAgent } from './sealed-state.ts'

/** What is asked, one item of a request. */
export interface OpenRequest {
  agent: SealedAgent
  key: string
  field: string
  purpose: string
}

/** @returns `null` when the agent may, else the code of the refusal. A grant is agent × key. */
export function decide({ agent, key }: OpenRequest): null | 'not-granted' {
  return agent.role === 'operator' && agent.keys.includes(key) ? null : 'not-granted'
}
