/** `--budget day=200records!`: how often a grant may be used (docs/who-may-see-what.md). */
import { WINDOWS } from '../../../protocol/api/routes.ts'
import type { GrantBody } from '../../../protocol/api/schemas.ts'
import { UsageError } from '../command.ts'

/** A budget as the device takes it. */
export type Budget = GrantBody['budgets'][number]

/** Most of either that a budget can allow. */
export const MAX_LIMIT = 1_000_000

const HINT = 'write how much in which time, as in day=200, hour=40records! or minute=10ops'

/**
 * Reads `PER=N`, with `records` (different rows, the default) or `ops` (every single opening) after the number, and `!`
 * where going over it means that something is wrong: then the device locks down.
 *
 * @throws UsageError
 */
export function parseBudget(text: string): Budget {
  const [, window = '', digits = '', unit = 'records', mark] =
    /^([a-z]+)=(\d{1,16})(records|ops)?(!)?$/.exec(text) ?? []
  if (window === '') throw new UsageError(`${shown(text)} is not a budget`, HINT)
  const per = WINDOWS.find(known => known === window)
  if (!per) throw new UsageError(`there is no budget per ${window}`, `the times are ${WINDOWS.join(', ')}`)
  const limit = Number(digits)
  if (limit === 0)
    throw new UsageError(`a budget of nothing per ${per} would refuse everything`, 'remove the grant instead')
  if (limit > MAX_LIMIT) throw new UsageError(`a budget is at most ${MAX_LIMIT} per ${per}`)
  return {
    per,
    records: unit === 'records' ? limit : null,
    operations: unit === 'ops' ? limit : null,
    alarm: mark !== undefined,
  }
}

/** The same text again; one with both limits is two. */
export function formatBudget({ per, records, operations, alarm }: Budget): string {
  const limits = [
    ...(records === null ? [] : [`${records}records`]),
    ...(operations === null ? [] : [`${operations}ops`]),
  ]
  return limits.map(limit => `${per}=${limit}${alarm ? '!' : ''}`).join(' ')
}

/** What was typed, short enough for a message. */
function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
