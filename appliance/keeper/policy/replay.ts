/**
 * Brings back from the audit log what was used of the budgets, so that a power cut or a restart resets nothing. What was
 * counted live and what is replayed are the same, because both take the clocks from the entry.
 */
import type { Entry } from '../../../protocol/audit/entry.ts'
import type { BudgetTime } from './elapsed.ts'
import type { Usage } from './usage.ts'

/** What the replay reads of an entry. */
export type ReplayedEntry = Pick<Entry, 'time' | 'boot' | 'up' | 'agent' | 'action' | 'purpose' | 'items'>

/** What stands for the version of an imported key in the log. */
export const LEGACY_VERSION = 'legacy'

/** Actions whose items count. */
const COUNTED: ReadonlySet<string> = new Set(['decrypt', 'rewrap', 'derive'])

/** Whether what an entry of this action allowed counts as opened. */
export function countsItems(action: string): boolean {
  return COUNTED.has(action)
}

/**
 * The record that an opening counts as. What an imported key opens, and every form but a token and a JWE with its place in it,
 * is bound to no row, whatever the caller says: each counts as a record that was not seen before, so that nobody opens a table
 * under the name of one row.
 */
export function countedRecord(version: string | undefined, record: string, form?: string): string {
  return version === LEGACY_VERSION || (form !== undefined && form !== 'jwe') ? '' : record
}

/**
 * A visitor of the log's entries, oldest first.
 * @param usage already watching the grants
 * @returns what to call with each entry
 */
export function replayer(usage: Usage, time: BudgetTime): (entry: ReplayedEntry) => void {
  return entry => {
    const now = time.observe({ boot: entry.boot, up: entry.up, wall: entry.time })
    if (!countsItems(entry.action) || entry.purpose === undefined) return
    for (const { key, records, code, form } of entry.items ?? []) {
      if (code !== undefined) continue
      // `orders@3` is a version of `orders`.
      const [name = '', version] = key.split('@', 2)
      for (const record of records)
        usage.count(entry.agent, entry.purpose, name, countedRecord(version, record, form), now)
    }
  }
}
