/**
 * A request to open fields, or to seal them again, from its decision to its answer. Nothing that was sealed leaves before the
 * log has it on disk, nor after the keys were forgotten.
 */
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import type { Wanted } from './asked.ts'
import { type Decided, decideItems, entryItems, hasCanary, openItems, revealItem } from './decrypt.ts'
import { freeAt } from './grants.ts'
import { pinOf } from './recorder.ts'
import type { Counters } from './report.ts'
import { sealAgain, wantedOf } from './rewrap.ts'
import type { Alarm, Caller, Opened, Params, Rewrapped } from './rpc/messages.ts'
import { agentOf, operational, type Service } from './service.ts'
import type { Unlocked } from './unlocked.ts'

/** What is done with the fields that may be opened; `T` is what they become inside, `R` what is answered of each. */
export interface Work<T, R> {
  action: 'decrypt' | 'rewrap' | 'derive'
  purpose: string
  reason: string
  items: readonly Wanted[]
  /** For the log. */
  detail: Record<string, string>
  open(unlocked: Unlocked, decided: readonly Decided[]): Promise<(T | ErrorCode)[]>
  answer(
    unlocked: Unlocked,
    decided: Decided,
    opened: T | ErrorCode,
    freeAt: (budgetTime: number) => number,
  ): R
}

/** Opening for the caller. */
export function decryption({ purpose, reason, items }: Params<'decrypt'>): Work<Uint8Array, Opened> {
  const open = (_: Unlocked, decided: readonly Decided[]) => openItems(decided)
  return { action: 'decrypt', purpose, reason, items, detail: {}, open, answer: revealItem }
}

/** Sealing again. */
export function rewrapping(
  params: Params<'rewrap'>,
): Work<Exclude<Rewrapped, ErrorCode | { code: ErrorCode }>, Rewrapped> {
  const { purpose, reason, target } = params
  return {
    action: 'rewrap',
    purpose,
    reason,
    items: wantedOf(params),
    detail: target === '' ? {} : { target },
    open: sealAgain,
    answer: (_, { code, free }, sealed, freeAt) =>
      code !== undefined && free !== undefined ? { code, free: freeAt(free) } : sealed,
  }
}

/** A raw secret for the caller: one item, whose ciphertext is the public key to agree with. */
export function derivation(params: Params<'derive'>): Work<Uint8Array, Opened> {
  const { purpose, reason, key, field, record } = params
  const items: Wanted[] = [[params.public, field, record, 'derive', 0, key]]
  const open = (_: Unlocked, decided: readonly Decided[]) => openItems(decided)
  const answer: Work<Uint8Array, Opened>['answer'] = (_, { free }, opened, freeAt) =>
    typeof opened === 'string' && free !== undefined ? [opened, freeAt(free)] : opened
  return { action: 'derive', purpose, reason, items, detail: {}, open, answer }
}

/** Why lockdown was tripped. */
export interface Alarmed {
  what: Alarm['what']
  why: string
}

/** How a request ended; `result` gives the answer, or throws the refusal, once `alarm` was dealt with. */
export interface Outcome<R> {
  result(): { results: (R | ErrorCode)[]; index: number }
  alarm: Alarmed | null
}

/**
 * @param touched - the button was pressed for this request
 * @throws ClavigerError `audit-unavailable`, `too-many-tries`; `wrong-state` when it was locked meanwhile
 */
export async function open<T, R>(
  service: Service,
  caller: Caller,
  work: Work<T, R>,
  counters: Counters,
  touched: boolean,
): Promise<Outcome<R>> {
  const { recorder, vault } = service
  const { action, purpose, reason, items } = work
  const unlocked = operational(service)
  const agent = agentOf(unlocked, caller)
  if (!agent) throw new ClavigerError('unknown-agent')
  const { usage } = recorder.chronicle
  const clock = recorder.now
  const { namespace } = vault
  const decided = decideItems({ namespace, unlocked, agent, usage, clock, touched }, purpose, items)
  for (const { code } of decided) counters.count(code ?? 'allowed')
  const refused = decided.every(({ code }) => code !== undefined)
  const over = decided.some(({ alarm }) => alarm)
  // Whose file it is, a program may ask of every key: to be told that it is not this one's is no try.
  // A caller that is only ever refused has to slow down; one that gets on may be wrong now and then. No wait keeps an alarm.
  const counts = refused && decided.some(({ code }) => code !== 'not-mine')
  if (counts && !over) recorder.mayTry(caller)
  const detail = {
    ...work.detail,
    ...(counts ? { pin: pinOf(caller) } : {}),
    ...(touched && !refused ? { touched } : {}),
  }
  const index = await recorder.write(
    {
      agent: agent.name,
      role: agent.role,
      action,
      outcome: refused ? 'refused' : 'allowed',
      purpose,
      ...(reason ? { reason } : {}),
      items: entryItems(decided),
      count: decided.length,
      ...(Object.keys(detail).length > 0 ? { detail } : {}),
    },
    false,
  )
  if (over) {
    const why = `${agent.name} went over a budget for ${purpose} that is marked as an alarm`
    return { alarm: { what: 'budget', why }, result: () => refuse('wrong-state') }
  }
  const free = (budgetTime: number) => freeAt(budgetTime, clock)
  if (decided.every(({ code }) => code === 'over-budget'))
    return { alarm: null, result: () => overBudget(purpose, decided, free) }
  // The log took its time: was the device locked, or the agent revoked?
  const now = operational(service)
  if (!agentOf(now, caller)) throw new ClavigerError('unknown-agent')
  const opened = await work.open(unlocked, decided)
  if (hasCanary(unlocked, decided, opened)) {
    zero(opened)
    const why = `${agent.name} opened a canary for ${purpose}`
    return {
      alarm: { what: 'canary', why },
      result: () => ({ results: decided.map(({ code }) => code ?? 'open-failed'), index }),
    }
  }
  return {
    alarm: null,
    result: () => {
      if (!vault.unlocked || recorder.chronicle.lockdown) {
        zero(opened)
        return refuse('wrong-state')
      }
      return { results: decided.map((item, i) => work.answer(unlocked, item, opened[i]!, free)), index }
    },
  }
}

function refuse(code: ErrorCode): never {
  throw new ClavigerError(code)
}

/** A request of which nothing fits is refused as a whole, with when the first of it will. */
function overBudget(
  purpose: string,
  decided: readonly Decided[],
  freeAt: (budgetTime: number) => number,
): never {
  const free = freeAt(Math.min(...decided.map(({ free }) => free ?? Number.POSITIVE_INFINITY)))
  throw new ClavigerError('over-budget', `the budget for ${purpose} is used up`, {
    free,
    hint: 'wait, or ask an administrator for a larger one',
  })
}

function zero(opened: readonly unknown[]): void {
  for (const value of opened) if (value instanceof Uint8Array) value.fill(0)
}
