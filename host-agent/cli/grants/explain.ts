/** `claviger admin grant explain`: the device's decision, and each grant with the first thing that does not fit. */
import { ERRORS, isErrorCode } from '../../../protocol/api/errors.ts'
import type { ExplainBody, Explanation, GrantInfo } from '../../../protocol/api/schemas.ts'
import { whenLocal } from '../../client/errors.ts'
import { formatBudget } from './budget.ts'
import { formatHours } from './hours.ts'

/** Lines for a person. @param now - ms since 1970 */
export function explained(
  asked: ExplainBody,
  { allowed, code, grant, free, touch, rules }: Explanation,
  grants: readonly GrantInfo[],
  now: number = Date.now(),
): string[] {
  const { agent, key, field, purpose, reveal } = asked
  const question = `${agent}, ${field} under ${key}, for ${purpose}, ${reveal}`
  const why = code !== undefined && isErrorCode(code) ? ERRORS[code].title : (code ?? 'refused')
  const later = free === undefined ? '' : `; there is room again ${whenLocal(free, now)}`
  const once = touch ? ', once the button of the device is pressed' : ''
  const lines = [allowed ? `allowed: ${question}${once}` : `refused: ${question}: ${why}${later}`]
  if (rules.length === 0) return [...lines, `  ${agent} has no grant at all`]
  const width = Math.max(...rules.map(rule => rule.grant.length))
  for (const rule of rules) {
    const decides = allowed && rule.grant === grant ? ', and decides' : ''
    const text = reasonOf(
      rule.outcome,
      grants.find(({ id }) => id === rule.grant),
    )
    lines.push(`  ${rule.grant.padEnd(width)}  ${text}${decides}`)
  }
  return lines
}

/** What of a grant did not fit. The grant may be gone since. */
function reasonOf(outcome: string, grant: GrantInfo | undefined): string {
  const named = (what: string, list: readonly string[] | undefined) =>
    list === undefined ? what : `${what}: ${list.join(', ')}`
  switch (outcome) {
    case 'allows':
      return 'allows it'
    case 'touch':
      return 'allows it once the button is pressed'
    case 'button':
      return 'no: the button must be pressed, and the device has none'
    case 'agent':
      return named('no: is of another agent', grant && [grant.agent])
    case 'key':
      return named('no: is for another key', grant && [grant.key])
    case 'field':
      return named('no: is for other fields', grant?.fields)
    case 'purpose':
      return named('no: is for other purposes', grant?.purposes)
    case 'reveal':
      return named('no: gives the value in other ways', grant?.reveal)
    case 'target':
      return named('no: seals again under another key', grant && [grant.target ?? grant.key])
    case 'hours':
      return named('no: is for other hours', grant?.hours ? [formatHours(grant.hours)] : undefined)
    case 'budget':
      return named('no: is used up', grant?.budgets.map(formatBudget))
    default:
      return `no: ${outcome}`
  }
}
