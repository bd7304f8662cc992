/**
 * The decision whether an agent may see a field: one pure function of what is asked, the grants, what was used, and the
 * time. An item is allowed when one grant allows it, so a further grant never takes anything away.
 */
import type { Granted, Role } from '../../../protocol/api/routes.ts'
import type { Budget, Grant } from './grant.ts'
import { withinHours } from './hours.ts'

/** What is asked, one item of a request. */
export interface Ask {
  readonly agent: string
  readonly role: Role
  /** The key's name, without version. */
  readonly key: string
  readonly field: string
  readonly purpose: string
  readonly reveal: Granted
  /** The shop's own name for the row; empty when the field is bound to none. */
  readonly record: string
  /** For `rewrap`: the key to seal under; the same key where it is missing. */
  readonly target?: string
}

/** What was used so far, as {@link ./usage.ts} counts it. */
export interface UsageView {
  /** @returns `null` when one more fits, else the instant (ms of budget time) from which on it does */
  room(
    agent: string,
    purpose: string,
    budget: Budget,
    key: string,
    record: string,
    now: number,
  ): number | null
}

export interface PolicyState {
  /** The grants of the namespace, in any order. */
  readonly grants: readonly Grant[]
  readonly usage: UsageView
  /** Somebody beside the device pressed its button for this request. */
  readonly touched?: boolean
}

export interface PolicyClock {
  /** ms since 1970, for office hours only. */
  readonly wall: number
  /** ms of budget time ({@link ./elapsed.ts}). */
  readonly budget: number
}

export type Refusal =
  | { readonly code: 'wrong-role' | 'not-granted' | 'outside-hours'; readonly alarm: false }
  /** A press of the button would allow it. `alarm` as below, of the other grants. */
  | { readonly code: 'touch-missing'; readonly alarm: boolean }
  | {
      readonly code: 'over-budget'
      /** When there will be room, as an instant in ms of budget time. */
      readonly free: number
      /** True when a budget that is used up is marked as an alarm. */
      readonly alarm: boolean
    }

/**
 * The id of the grant that allows it (the first by name, if there are more, but one that needs no touch before those that
 * do), or why none does.
 */
export type Decision = { readonly grant: string; readonly code?: never } | Refusal

/** How one grant stands to what is asked: it allows, with `touch` once touched, or this is the first thing that does not fit. */
export type Outcome =
  | 'allows'
  | 'touch'
  | 'agent'
  | 'key'
  | 'field'
  | 'purpose'
  | 'reveal'
  | 'target'
  | 'hours'
  | 'budget'

export type Verdict =
  | { readonly outcome: Exclude<Outcome, 'budget'> }
  | { readonly outcome: 'budget'; readonly free: number; readonly alarm: boolean }

/** Decides one item. Items of a batch are decided in order, each counted in `state.usage` once it is allowed. */
export function decide(ask: Ask, state: PolicyState, clock: PolicyClock): Decision {
  if (ask.role !== 'operator') return { code: 'wrong-role', alarm: false }
  let allowing: string | null = null
  let touching: string | null = null
  let outside = false
  let free = Number.POSITIVE_INFINITY
  let alarm = false
  for (const grant of state.grants) {
    const verdict = judge(grant, ask, state.usage, clock)
    if (verdict.outcome === 'allows') allowing = earlier(allowing, grant.id)
    else if (verdict.outcome === 'touch') touching = earlier(touching, grant.id)
    else if (verdict.outcome === 'budget') {
      free = Math.min(free, verdict.free)
      alarm ||= verdict.alarm
    } else if (verdict.outcome === 'hours') outside = true
  }
  if (allowing !== null) return { grant: allowing }
  if (touching !== null) return state.touched ? { grant: touching } : { code: 'touch-missing', alarm }
  if (free < Number.POSITIVE_INFINITY) return { code: 'over-budget', free, alarm }
  return { code: outside ? 'outside-hours' : 'not-granted', alarm: false }
}

/** How one grant stands to what is asked. */
export function judge(grant: Grant, ask: Ask, usage: UsageView, clock: PolicyClock): Verdict {
  if (grant.agent !== ask.agent) return { outcome: 'agent' }
  if (grant.key !== ask.key) return { outcome: 'key' }
  if (!grant.fields.some(pattern => matches(pattern, ask.field))) return { outcome: 'field' }
  if (!grant.purposes.includes(ask.purpose)) return { outcome: 'purpose' }
  if (!gives(grant.reveal, ask.reveal)) return { outcome: 'reveal' }
  if (ask.reveal === 'rewrap' && (grant.target ?? grant.key) !== (ask.target ?? ask.key))
    return { outcome: 'target' }
  if (grant.hours && !withinHours(grant.hours, clock.wall)) return { outcome: 'hours' }
  let free: number | null = null
  let alarm = false
  for (const budget of grant.budgets) {
    const room = usage.room(ask.agent, ask.purpose, budget, ask.key, ask.record, clock.budget)
    if (room === null) continue
    free = Math.max(free ?? room, room)
    alarm ||= budget.alarm
  }
  if (free !== null) return { outcome: 'budget', free, alarm }
  return { outcome: grant.presence === 'touch' ? 'touch' : 'allows' }
}

function earlier(a: string | null, b: string): string {
  return a === null || b < a ? b : a
}

/** `card.number` is that class alone, `address.*` every class below it, `*` all. */
function matches(pattern: string, field: string): boolean {
  if (!pattern.endsWith('*')) return pattern === field
  return field.length >= pattern.length && field.startsWith(pattern.slice(0, -1))
}

/**
 * Who may see all of a value may see less of it; sending it elsewhere, sealing it again, or being given a raw secret is another
 * matter and needs its own word.
 */
function gives(granted: readonly Granted[], asked: Granted): boolean {
  const isLess = asked !== 'forward' && asked !== 'rewrap' && asked !== 'derive'
  return granted.includes(asked) || (isLess && granted.includes('full'))
}
