/**
 * Opening a batch, top to bottom: parse → decide → write the log → open → canaries → reveal. Every item has its own
 * result, and every way in which a ciphertext does not open gives the same code.
 */
import { hash } from 'node:crypto'
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import type { ForeignForm } from '../../protocol/api/routes.ts'
import type { EntryItem } from '../../protocol/audit/entry.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { type OpenItem, openField, openFields } from '../../protocol/envelope/field.ts'
import { ForbiddenFieldError, isForbiddenField } from '../../protocol/envelope/forbidden.ts'
import { encryptJwe, type Recipient } from '../../protocol/envelope/jwe.ts'
import { openLegacies } from '../../protocol/envelope/legacy.ts'
import { keptFields } from '../../protocol/envelope/legacy-payload.ts'
import { reveal } from '../../protocol/envelope/reveal.ts'
import { type Asked, type Ready, readItem, type Wanted } from './asked.ts'
import { openForeign } from './foreign.ts'
import { type Decision, decide, type PolicyClock } from './policy/decide.ts'
import type { Grant } from './policy/grant.ts'
import type { Usage } from './policy/usage.ts'
import type { Opened } from './rpc/messages.ts'
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
export interface Decided extends Ready {
  item: Wanted
  /** `name@version`, `name@legacy`; empty for what is no token. */
  key: string
  /** What the log calls its fields, where that is not the item's own. */
  fields?: string
  form?: ForeignForm
  /** Grant that allowed it. */
  grant?: string
  code?: ErrorCode
  /** ms of budget time at which there is room again. */
  free?: number
  /** A budget that is marked so was gone over. */
  alarm?: boolean
}

/** Decides a batch, item by item; what is allowed counts against the budgets from then on. */
export function decideItems(situation: Situation, purpose: string, items: readonly Wanted[]): Decided[] {
  const grants = situation.unlocked.grants.filter(({ agent }) => agent === situation.agent.name)
  return items.map(item => decideItem(situation, grants, purpose, item))
}

function decideItem(situation: Situation, grants: readonly Grant[], purpose: string, item: Wanted): Decided {
  const { unlocked, agent, usage, clock } = situation
  const [, field, , how, option] = item
  let named: Pick<Decided, 'item' | 'key' | 'fields' | 'form'> = { item, key: '' }
  try {
    const asked = readItem(situation.namespace, unlocked, item)
    const { key, version, record, fields, form } = asked
    named = {
      item,
      key: `${key}@${version}`,
      ...(fields.includes(field) ? {} : { fields: fields.join(' ') }),
      ...(form ? { form } : {}),
    }
    const decision = decideFields(situation, grants, purpose, item, asked)
    if (decision.code !== undefined) return { ...named, ...refusalOf(decision) }
    if (how === 'forward' && !unlocked.recipients.has(String(option)))
      return { ...named, code: 'unknown-recipient' }
    const ready = asked.ready()
    if (typeof ready === 'string') return { ...named, code: ready }
    usage.count(agent.name, purpose, key, record, clock.budget)
    return { ...named, grant: decision.grant, ...ready }
  } catch (error) {
    if (error instanceof ClavigerError) return { ...named, code: error.code }
    throw error
  }
}

/** One decision for all fields of an item: each has to be allowed, by whichever grant. */
function decideFields(
  { namespace, agent, usage, clock, touched = false }: Situation,
  grants: readonly Grant[],
  purpose: string,
  [, , record, reveal, option]: Wanted,
  { key, record: counted, fields }: Asked,
): Decision {
  const { name, role } = agent
  const allowing = new Set<string>()
  for (const field of fields) {
    contextInfo({ namespace, key, field, record })
    if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
    const target = reveal === 'rewrap' && option !== '' ? { target: String(option) } : {}
    const ask = { agent: name, role, key, field, purpose, reveal, record: counted, ...target }
    const decision = decide(ask, { grants, usage, touched }, clock)
    if (decision.code !== undefined) return decision
    allowing.add(decision.grant)
  }
  return { grant: [...allowing].join(' ') }
}

function refusalOf(decision: Exclude<Decision, { grant: string }>): Pick<Decided, 'code' | 'free' | 'alarm'> {
  const { code, alarm } = decision
  return code === 'over-budget' ? { code, alarm, free: decision.free } : { code, alarm }
}

/** What the log tells of a batch: items of the same key, field, mode and fate together. */
export function entryItems(decided: readonly Decided[]): EntryItem[] {
  const groups = new Map<string, EntryItem>()
  for (const { item, key, grant, code, fields, form } of decided) {
    const [, own, record, mode] = item
    const field = fields ?? own
    const name = `${key} ${mode} ${form ?? ''} ${grant ?? ''} ${code ?? ''} ${field}`
    const group = groups.get(name)
    if (group) group.records.push(record)
    else
      groups.set(name, {
        key,
        field,
        reveal: mode,
        ...(form ? { form } : {}),
        records: [record],
        ...(grant ? { grant } : {}),
        ...(code ? { code } : {}),
      })
  }
  return [...groups.values()]
}

/** Plaintexts of a batch, or why there is none, in its order. They are the caller's to zero. */
export async function openItems(decided: readonly Decided[]): Promise<(Uint8Array | ErrorCode)[]> {
  const opened = await openParts(decided)
  return opened.map((parts, i) => {
    if (typeof parts === 'string') return parts
    const { item, legacy } = decided[i]!
    const wanted = legacy ? keptFields(legacy.privateKey.form).indexOf(item[1]) : 0
    for (const [at, part] of parts.entries()) if (at !== wanted) part.fill(0)
    // A field that the payload does not have is one in another place.
    return parts[wanted] ?? 'open-failed'
  })
}

/** As {@link openItems}, with all parts of a legacy payload. */
export async function openParts(decided: readonly Decided[]): Promise<(Uint8Array[] | ErrorCode)[]> {
  const ready = decided.flatMap(({ open }) => open ?? [])
  const opened = ready.length === 1 ? [openOne(ready[0]!)] : await openFields(ready)
  const payloads = await openLegacies(decided.flatMap(({ legacy }) => legacy ?? []))
  const others = await openForeign(decided.flatMap(({ foreign }) => foreign ?? []))
  const [next, nextPayload, nextOther] = [opened, payloads, others].map(results => results.values())
  return decided.map(({ open, legacy, foreign, code }) => {
    if (!open && !legacy && !foreign) return code ?? 'open-failed'
    const result = (open ? next : legacy ? nextPayload : nextOther)!.next().value!
    if (result instanceof OpenError) return result.code
    return Array.isArray(result) ? result : [result]
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
  opened: readonly unknown[],
): boolean {
  let found = false
  for (const [i, { item }] of decided.entries()) {
    const known = canaries.has(hex(canaryDigest(item[0])))
    if (known && typeof opened[i] !== 'string') found = true
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
    if (mode === 'rewrap' || mode === 'derive') return 'internal'
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
