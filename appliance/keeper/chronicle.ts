/**
 * What the log tells of a namespace: whether it is in lockdown, what was used of the budgets, who was refused how often,
 * which alarms there were, how often each version of a key opened. It has no file of its own: the log is read at the start, and
 * every entry is taken in as it is written.
 */
import type { Entry } from '../../protocol/audit/entry.ts'
import { Backoff, type BackoffLimits } from '../backoff.ts'
import { BudgetTime, type ClockReading } from './policy/elapsed.ts'
import type { Grant } from './policy/grant.ts'
import { countsItems, replayer } from './policy/replay.ts'
import { Usage } from './policy/usage.ts'
import type { Alarm } from './rpc/messages.ts'

/** What holds where a namespace has no settings of its own. */
export const DEFAULT_LIMITS: BackoffLimits = { free: 5, first: 1, longest: 3600 }

/** Alarms that are remembered. */
const MAX_ALARMS = 32

/** Fields that were asked for under one version of a key, and allowed. */
export interface Openings {
  count: number
  /** ms since 1970; 0 for never. */
  last: number
}

export class Chronicle {
  readonly usage = new Usage()
  readonly #time = new BudgetTime()
  readonly #tries: Backoff
  readonly #alarms: Alarm[] = []
  readonly #count = replayer(this.usage, this.#time)
  /** By `orders@3`. */
  readonly #openings = new Map<string, Openings>()
  /** Budget time of each retirement, by the index of its entry. */
  readonly #retired = new Map<number, number>()
  #since: number | null = null
  #lockdown = false
  /** The alarm of the next entry about a lockdown was raised already. */
  #isTold = false
  #generation = 0

  /** @param grants - whose budgets are counted; others are not */
  constructor(grants: readonly Grant[] = [], limits: BackoffLimits = DEFAULT_LIMITS) {
    this.#tries = new Backoff(limits)
    this.usage.watch(grants)
  }

  /** In lockdown until an administrator lifts it. */
  get lockdown(): boolean {
    return this.#lockdown
  }

  /** The highest generation of the keystore that the log has seen. */
  get generation(): number {
    return this.#generation
  }

  /** Newest first. */
  get alarms(): readonly Alarm[] {
    return this.#alarms
  }

  /** Refused tries, by the pin of the caller's key. */
  get tries(): Backoff {
    return this.#tries
  }

  /** Time of the oldest entry that was taken in, ms since 1970; 0 where there is none. */
  get since(): number {
    return this.#since ?? 0
  }

  /** Of a version of a key, `orders@3`, since {@link since}. */
  openings(version: string): Openings {
    return this.#openings.get(version) ?? { count: 0, last: 0 }
  }

  /**
   * ms of budget time since the entry that retired something; since the oldest entry, if that one is gone: it is older then, or
   * the log began anew.
   */
  sinceRetired(entry: number, now: number): number {
    return now - (this.#retired.get(entry) ?? 0)
  }

  /** ms of budget time at a reading of the clocks. */
  now(reading: ClockReading): number {
    return this.#time.observe(reading)
  }

  /** Takes in an entry that was read back, with what it counts against budgets. */
  replay(entry: Entry): void {
    this.#count(entry)
    this.visit(entry)
  }

  /** Takes in an entry; what it counts against budgets was counted when it was decided. */
  visit(entry: Entry): void {
    const { action, outcome, code, time, detail = {} } = entry
    const now = this.now({ boot: entry.boot, up: entry.up, wall: time })
    const pin = String(detail.pin ?? '')
    const when = Math.floor(time / 1000)
    this.#since ??= time
    this.#countOpenings(entry)
    if (action === 'retireKey' && outcome === 'allowed') this.#retired.set(entry.index, now)
    if (outcome === 'refused' && pin) this.#tries.refused(pin, now)
    // A try to unlock counts before it is checked.
    else if (action === 'unlock' && outcome === 'allowed') this.#tries.refused(pin, now)
    else if (action === 'unlocked') this.#tries.succeeded(pin)
    if (action === 'lockdown' && outcome === 'allowed') {
      const alarm = { what: alarmOf(code), when, why: entry.reason ?? '' }
      if (!this.#isTold) this.lockDown(alarm)
      this.#isTold = false
    } else if (action === 'liftLockdown' && outcome === 'allowed') this.#lockdown = false
    // A generation that was accepted by hand may be lower than those before.
    if (action === 'acceptGeneration') this.#generation = 0
    if (typeof detail.generation === 'number')
      this.#generation = Math.max(this.#generation, detail.generation)
  }

  /** What was allowed counts, whether it opened or not: that is not in the log. */
  #countOpenings({ action, items = [], time, detail }: Entry): void {
    if (action === 'purgeKey') this.#openings.delete(String(detail?.version))
    if (!countsItems(action)) return
    for (const { key, records, code } of items) {
      if (code !== undefined) continue
      const { count, last } = this.openings(key)
      this.#openings.set(key, { count: count + records.length, last: Math.max(last, time) })
    }
  }

  /** Lockdown takes effect, and raises its alarm, before its entry is written. */
  lockDown(alarm: Alarm): void {
    this.#lockdown = true
    this.#isTold = true
    this.raise(alarm)
  }

  /** Goes on with a lockdown that took effect and is not written yet. */
  takeOver(before: Chronicle): void {
    if (!before.#lockdown || this.#lockdown) return
    this.#lockdown = true
    this.#isTold = before.#isTold
    for (const alarm of before.#alarms.slice(0, 1)) this.raise(alarm)
  }

  raise(alarm: Alarm): void {
    this.#alarms.unshift(alarm)
    this.#alarms.length = Math.min(this.#alarms.length, MAX_ALARMS)
  }
}

/** What tripped the lockdown; a person, if nothing else did. */
function alarmOf(code: string | undefined): Alarm['what'] {
  return code === 'canary' || code === 'budget' ? code : 'lockdown'
}
