/**
 * What was used of the budgets: operations and distinct records, per agent × purpose × window, over a window that slides
 * along budget time. It lives in memory only; at start it is replayed from the audit log ({@link ./replay.ts}).
 */
import { hash } from 'node:crypto'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { UsageView } from './decide.ts'
import { type Budget, type Grant, PERIOD_MS, type Period } from './grant.ts'
import { SlidingWindow } from './window.ts'

/** Longest name of a record that is kept as it is; a longer one is kept as its hash. */
const MAX_PLAIN_NAME = 48

/** Counts of one agent for one purpose. */
type Windows = Map<Period, SlidingWindow>

export class Usage implements UsageView {
  readonly #windows = new Map<string, Windows>()
  #unbound = 0

  /**
   * Keeps what the budgets of these grants need and forgets the rest. Nothing is kept where no budget is.
   * @returns true when a budget is new or larger than any before, so that what is kept does not reach back far enough:
   * {@link clear} and replay the log
   */
  watch(grants: readonly Grant[]): boolean {
    const needed = new Map<string, Map<Period, { records: number; operations: boolean }>>()
    for (const { agent, purposes, budgets } of grants) {
      for (const purpose of purposes) {
        const place = placeOf(agent, purpose)
        for (const { per, records, operations } of budgets) {
          const periods = needed.get(place) ?? new Map()
          needed.set(place, periods)
          const before = periods.get(per) ?? { records: 0, operations: false }
          periods.set(per, {
            records: Math.max(before.records, records ?? 0),
            operations: before.operations || operations !== null,
          })
        }
      }
    }
    let grown = false
    for (const [place, windows] of this.#windows) {
      for (const per of windows.keys()) if (!needed.get(place)?.has(per)) windows.delete(per)
      if (windows.size === 0) this.#windows.delete(place)
    }
    for (const [place, periods] of needed) {
      const windows: Windows = this.#windows.get(place) ?? new Map()
      this.#windows.set(place, windows)
      for (const [per, { records, operations }] of periods) {
        const window = windows.get(per) ?? new SlidingWindow(PERIOD_MS[per])
        windows.set(per, window)
        if (window.keep(records, operations)) grown = true
      }
    }
    return grown
  }

  /**
   * Whether a budget has room for one more operation on this record.
   * @param record empty for a field that is bound to no row: it counts as a record that was not seen before
   * @param now ms of budget time
   * @returns `null` when there is room, else the instant (ms of budget time) from which on there is, if nothing else
   * happens before
   */
  room(
    agent: string,
    purpose: string,
    { per, records, operations }: Pick<Budget, 'per' | 'records' | 'operations'>,
    key: string,
    record: string,
    now: number,
  ): number | null {
    const window = this.#windows.get(placeOf(agent, purpose))?.get(per)
    if (!window) throw new ClavigerError('internal', 'a budget is asked for that nobody watches')
    window.advance(now)
    const name = record === '' ? null : nameOf(key, record)
    const forOperations = operations === null ? null : window.roomForOperation(operations)
    const forRecords = records === null ? null : window.roomForRecord(records, name)
    if (forOperations === null || forRecords === null) return forOperations ?? forRecords
    return Math.max(forOperations, forRecords)
  }

  /**
   * What is left of a budget.
   * @returns `null` where there is no limit
   */
  left(
    agent: string,
    purpose: string,
    { per, records, operations }: Pick<Budget, 'per' | 'records' | 'operations'>,
    now: number,
  ): { records: number | null; operations: number | null } {
    const window = this.#windows.get(placeOf(agent, purpose))?.get(per)
    if (!window) throw new ClavigerError('internal', 'a budget is asked for that nobody watches')
    window.advance(now)
    return {
      records: records === null ? null : Math.max(0, records - window.records),
      operations: operations === null ? null : Math.max(0, operations - window.operations),
    }
  }

  /** Counts one operation that was allowed, in every window that is kept of this agent and purpose. */
  count(agent: string, purpose: string, key: string, record: string, now: number): void {
    const windows = this.#windows.get(placeOf(agent, purpose))
    if (!windows) return
    const name = record === '' ? `${++this.#unbound}` : nameOf(key, record)
    for (const window of windows.values()) {
      window.advance(now)
      window.add(name)
    }
  }

  /** What was used by one agent for one purpose, to count on by itself: to see where a batch would end. */
  copy(agent: string, purpose: string): Usage {
    const copy = new Usage()
    const place = placeOf(agent, purpose)
    const windows = [...(this.#windows.get(place) ?? [])]
    copy.#windows.set(place, new Map(windows.map(([per, window]) => [per, window.copy()])))
    copy.#unbound = this.#unbound
    return copy
  }

  /** Forgets every count; what is watched stays. */
  clear(): void {
    for (const windows of this.#windows.values()) for (const window of windows.values()) window.clear()
  }
}

function placeOf(agent: string, purpose: string): string {
  return `${agent} ${purpose}`
}

/** Names a record among those of all keys. No two share it: a plain one has a space, a hash and a number have none. */
function nameOf(key: string, record: string): string {
  const name = `${key} ${record}`
  return name.length <= MAX_PLAIN_NAME ? name : hash('sha256', name, 'base64url')
}
