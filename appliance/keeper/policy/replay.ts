/**
 * Brings back from the audit log what was used of the budgets, so that a power cut or a restart resets nothing. What was
 * counted live and what is replayed are the same, because both take the clocks from the entry.
 */
import type { BudgetTime } from './elapsed.ts'
import type { Usage } from './usage.ts'

/** What the replay reads of an entry of the log. */
export interface ReplayedEntry {
  /** ms since 1970. */
  readonly time: number
  readonly boot: string
  /** ms since that boot. */
  readonly up: number
  readonly agent?: string | null
  readonly action: string
  readonly purpose?: string
  readonly items?: readonly ReplayedItems[]
}

/** Items of one request that share key, field, mode and fate. */
export interface ReplayedItems {
  /** Name and version, such as `orders@3`. */
  readonly key: string
  /** One for each item, the empty ones too. */
  readonly records: readonly string[]
  /** Of the refusal; absent when the items were allowed. */
  readonly code?: string
}

/**
 * A visitor of the log's entries, oldest first.
 * @param usage already watching the grants
 * @returns what to call with each entry
 */
export function replayer(usage: Usage, time: BudgetTime): (entry: ReplayedEntry) => void {
  return entry => {
    const now = time.observe({ boot: entry.boot, up: entry.up, wall: entry.time })
    if (entry.action !== 'decrypt' || !entry.agent || entry.purpose === undefined) return
    for (const { key, records, code } of entry.items ?? []) {
      if (code !== undefined) continue
      const name = key.split('@', 1)[0]!
      for (const record of records) usage.count(entry.agent, entry.purpose, name, record, now)
    }
  }
}
