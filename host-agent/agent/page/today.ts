/** What this enrolment did today, as the log of its device says. */
import { type Entry, readEntry } from '../../../protocol/audit/entry.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { TodayEntry } from './api.ts'
import type { EnrolmentLink } from './link.ts'

/** Newest entries of one day that are shown. */
const MOST = 1000

/** @returns newest first @throws ApplianceError, ConnectionError */
export async function today(link: EnrolmentLink): Promise<TodayEntry[]> {
  const appliance = await link.appliance()
  const midnight = new Date()
  midnight.setHours(0, 0, 0, 0)
  const { entries } = await appliance.auditMine({ since: midnight.getTime(), limit: MOST })
  const read = entries.map(line => {
    const entry = readEntry(line)
    if (entry) return shown(entry)
    throw new ConnectionError('bad-response', 'an entry of the log cannot be read')
  })
  return read.sort((a, b) => b.index - a.index)
}

/** An entry without what is the device's own affair. */
export function shown({
  index,
  time,
  action,
  outcome,
  code,
  purpose,
  reason,
  items = [],
}: Entry): TodayEntry {
  return {
    index,
    time: new Date(time).toISOString(),
    action,
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(reason === undefined ? {} : { reason }),
    items: items.map(({ field, records, code }) => ({
      field,
      records,
      ...(code === undefined ? {} : { code }),
    })),
  }
}
