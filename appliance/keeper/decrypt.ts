/**
 * Opening a batch, top to bottom: parse → decide → write the log → open → canaries → reveal. Every item has its own
 * result, and every way in which a ciphertext does not open gives the same code.
 */
import { hash } from 'node:crypto'
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import type { EntryItem } from '../../protocol/audit/entry.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { type OpenItem, openField, openFields } from '../../protocol/envelope/field.ts'
import { isForbiddenField } from '../../protocol/envelope/forbidden.ts'
import { encryptJwe, type Recipient } from '../../protocol/envelope/jwe.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import { type Decision, decide, type PolicyClock } from './policy/decide.ts'
import type { Grant } from './policy/grant.ts'
import type { Usage } from './policy/usage.ts'
import { reveal } from './reveal.ts'
import type { Item, Opened } from './rpc/messages.ts'
import { CANARY_BYTES, type SealedAgent } from './sealed-state.ts'
import { hex, type Unlocked } from './unlocked.ts'

/** What a batch is decided by. */
export interface Situation {
  namespace: string
  unlocked: Unlocked
  agent: SealedAgent
  usage: Usage
  clock: PolicyClock
  /** The button was pressed for this batch. */
  touched?: boolean
}

/** An item after its decision: ready to open, or refused. */
export interface Decided {
  item: Item
  /** `name@version`; empty for what is no token. */
  key: string
  /** Grant that allowed it. */
  grant?: string
  open?: OpenItem
  code?: ErrorCode
  /** ms of budget time at which there is room again. */
  free?: number
  /** A budget that is marked so was gone over. */
  alarm?: boolean
}

/** Decides a batch, item by item; what is allowed counts against the budgets from then on. */
export function decideItems(situation: Situation, purpose: string, items: readonly Item[]): Decided[] {
  const grants = situation.unlocked.grants.filter(({ agent }) => agent === situation.agent.name)
  return items.map(item => decideItem(situation, grants, purpose, item))
}

function decideItem(situation: Situation, grants: readonly Grant[], purpose: string, item: Item): Decided {
  const { namespace, unlocked, agent, usage, clock, touched = false } = situation
  const [ciphertext, field, record, mode, option] = item
  let key = ''
  try {
    const token = parseToken(ciphertext)
    key = `${token.key}@${token.version}`
    const context = { namespace, key: token.key, field, record }
    contextInfo(context)
    if (isForbiddenField(field)) return { item, key, code: 'forbidden-field' }
    const { name, role } = agent
    const decision = decide(
      { agent: name, role, key: token.key, field, purpose, reveal: mode, record },
      { grants, usage, touched },
      clock,
    )
    if (decision.code !== undefined) return { item, key, ...refusalOf(decision) }
    if (mode === 'forward' && !unlocked.recipients.has(String(option)))
      return { item, key, code: 'unknown-recipient' }
    usage.count(name, purpose, token.key, record, clock.budget)
    const found = unlocked.keys.get(token.key)
    const version = found?.versions.get(token.version)
    const allowed = { item, key, grant: decision.grant }
    if (found?.suite !== token.suite || !version) return allowed
    return { ...allowed, open: { privateKey: version.privateKey, token, context } }
  } catch (error) {
    if (error instanceof ClavigerError) return { item, key, code: error.code }
    throw error
  }
}

function refusalOf(decision: Exclude<Decision, { grant: string }>): Pick<Decided, 'code' | 'free' | 'alarm'> {
  const { code, alarm } = decision
  return code === 'over-budget' ? { code, alarm, free: decision.free } : { code, alarm }
}

/** What the log tells of a batch: items of the same key, field, mode and fate together. */
export function entryItems(decided: readonly Decided[]): EntryItem[] {
  const groups = new Map<string, EntryItem>()
  for (const { item, key, grant, code } of decided) {
    const [, field, record, mode] = item
    const name = `${key} ${mode} ${grant ?? ''} ${code ?? ''} ${field}`
    const group = groups.get(name)
    if (group) group.records.push(record)
    else
      groups.set(name, {
        key,
        field,
        reveal: mode,
        records: [record],
        ...(grant ? { grant } : {}),
        ...(code ? { code } : {}),
      })
  }
  return [...groups.values()]
}

/** Plaintexts of a batch, or why there is none, in its order. They are the caller's to zero. */
export async function openItems(decided: readonly Decided[]): Promise<(Uint8Array | ErrorCode)[]> {
  const ready = decided.flatMap(({ open }) => open ?? [])
  const opened = ready.length === 1 ? [openOne(ready[0]!)] : await openFields(ready)
  let next = 0
  return decided.map(({ open, code }) => {
    if (!open) return code ?? 'open-failed'
    const result = opened[next++]!
    return result instanceof Uint8Array ? result : result.code
  })
}

/** A single field is opened on this thread: the way to the thread pool and back costs more than it gains. */
function openOne({ privateKey, token, context }: OpenItem): Uint8Array | OpenError {
  try {
    return openField(privateKey, token, context)
  } catch (error) {
    if (error instanceof OpenError) return error
    throw error
  }
}

/** By what a canary is known: its token is not told from any other before it was opened. */
export function canaryDigest(token: string): Uint8Array {
  return hash('sha256', token, 'buffer').subarray(0, CANARY_BYTES)
}

/** @returns whether one of those that opened is a canary; every token is hashed, so that none takes longer */
export function hasCanary(
  { canaries }: Unlocked,
  decided: readonly Decided[],
  opened: readonly (Uint8Array | ErrorCode)[],
): boolean {
  let found = false
  for (const [i, { item }] of decided.entries()) {
    const known = canaries.has(hex(canaryDigest(item[0])))
    if (known && opened[i] instanceof Uint8Array) found = true
  }
  return found
}

/** Reduces a plaintext to what was asked for, and zeroes it unless that is all of it. */
export function revealItem(
  { recipients }: Unlocked,
  { item, free }: Decided,
  opened: Uint8Array | ErrorCode,
  freeAt: (budgetTime: number) => number,
): Opened {
  const [, , , mode, option] = item
  if (typeof opened === 'string') return free === undefined ? opened : [opened, freeAt(free)]
  if (mode === 'full') return opened
  try {
    if (mode === 'forward') return forward(opened, recipients.get(String(option))?.recipient)
    if (mode === 'equals') return reveal(mode, opened, { candidate: String(option) })
    return reveal(mode, opened, mode === 'mask' && option !== 0 ? { keep: Number(option) } : {})
  } catch (error) {
    if (error instanceof ClavigerError) return error.code
    throw error
  } finally {
    opened.fill(0)
  }
}

function forward(plaintext: Uint8Array, recipient: Recipient | undefined): Uint8Array | ErrorCode {
  return recipient ? new Uint8Array(Buffer.from(encryptJwe(plaintext, recipient))) : 'unknown-recipient'
}
