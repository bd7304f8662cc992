/** What an auditor may know of a namespace at a glance: decisions, budgets, log, alarms. */
import type { Grant } from './policy/grant.ts'
import type { Recorder } from './recorder.ts'
import type { Report } from './rpc/messages.ts'
import type { Service } from './service.ts'

/** Decisions since the start of the process. */
export class Counters {
  readonly #counts = new Map<string, number>()

  count(outcome: string): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
  }

  get all(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

/** What is left of each budget of grants. */
export function leftOf(
  grants: readonly Grant[],
  { chronicle: { usage }, now: { budget: now } }: Recorder,
): Report['budgets'] {
  return grants.flatMap(({ agent, purposes, budgets }) =>
    purposes.flatMap(purpose =>
      budgets.map(budget => ({
        agent,
        purpose,
        per: budget.per,
        ...usage.left(agent, purpose, budget, now),
      })),
    ),
  )
}

/** A log with less room than this share of it raises an alarm. */
const NEARLY_FULL = 0.9

export function report({ vault, recorder }: Service, counters: Counters): Report {
  const { size, oldest, capacity, bytes, fsyncMs, checkpoint: saved } = recorder.log.stats()
  const { damage } = recorder.log
  const { alarms } = recorder.chronicle
  const now = recorder.now
  const when = Math.floor(now.wall / 1000)
  const standing: Report['alarms'] = []
  if (damage) standing.push({ what: 'log-damaged', when, why: damage.message })
  if (size - oldest > capacity * NEARLY_FULL)
    standing.push({
      what: 'log-nearly-full',
      when,
      why: `${size - oldest} of ${capacity} entries; export and archive the old ones`,
    })
  return {
    decisions: counters.all,
    budgets: leftOf(vault.unlocked?.grants ?? [], recorder),
    log: {
      size,
      oldest,
      capacity,
      bytes,
      fsync: { p50: Math.round(fsyncMs.p50 * 1000), max: Math.round(fsyncMs.max * 1000) },
      checkpoint: saved && { size: saved.size, time: Math.floor(saved.time / 1000) },
    },
    alarms: [...standing, ...alarms],
  }
}
