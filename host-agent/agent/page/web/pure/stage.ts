/** What a frame in a shop's page shows: one line, by what is known. */
import type { Overview } from '../../api.ts'

export type Stage =
  | {
      is:
        | 'unpaired'
        | 'asking'
        | 'refused'
        | 'timedOut'
        | 'none'
        | 'gone'
        | 'silent'
        | 'locked'
        | 'lockdown'
        | 'broken'
    }
  | { is: 'ready'; as: string }

/**
 * @param as - the enrolment that the shop's page names; the only one, or the first that is ready, where it names none
 */
export function stageOf(overview: Pick<Overview, 'enrolments'> | null, as: string | null): Stage {
  if (overview === null) return { is: 'gone' }
  const able = overview.enrolments.filter(
    ({ role, name }) => role === 'operator' && (as === null || name === as),
  )
  const best =
    able.find(({ state }) => state === 'operational') ?? able.find(({ state }) => state !== null) ?? able[0]
  if (!best) return { is: 'none' }
  if (best.state === null || best.state === 'failed' || best.state === 'unprovisioned')
    return { is: 'silent' }
  return best.state === 'operational' ? { is: 'ready', as: best.name } : { is: best.state }
}
