/** The keeper's way from an item to what is answered and what is logged, in this process, without a disk: read, decide, open, reveal. */
import { generateKeyPairSync } from 'node:crypto'
import type { Wanted } from '../../appliance/keeper/asked.ts'
import { decideItems, entryItems, openItems, revealItem } from '../../appliance/keeper/decrypt.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'
import type { Opened } from '../../appliance/keeper/rpc/messages.ts'
import { type SealedKey, STATE_FORMAT } from '../../appliance/keeper/sealed-state.ts'
import { type Unlocked, unlock } from '../../appliance/keeper/unlocked.ts'
import type { ErrorCode } from '../../protocol/api/errors.ts'
import { isErrorCode } from '../../protocol/api/errors.ts'

/** What the seeds hold; it must come out of them, and be nowhere else. */
export const VALUE = '4111 1111 1111 1111'
export const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const PURPOSE = 'charge'

/** What became of a request. */
export interface Answer {
  /** Of each item, in order. */
  results: Opened[]
  /** As which key each was logged, `name@version`; empty for what names none. */
  keys: string[]
}

/** A keeper, as it is while operational. */
export interface TestKeeper {
  unlocked: Unlocked
  /** @throws Error if the value is in what would be logged */
  ask(items: readonly Wanted[]): Promise<Answer>
}

/** A keeper with these keys, and a grant for all of a card under each. */
export function keeperWith(keys: SealedKey[]): TestKeeper {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pkcs8 = new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))
  const agent = {
    name: 'till',
    role: 'operator' as const,
    pin: new Uint8Array(32),
    since: 1,
    unattended: false,
  }
  const grants = keys.map(({ name }) => ({
    id: name,
    agent: agent.name,
    key: name,
    fields: ['card.*'],
    purposes: [PURPOSE],
    reveal: ['full' as const],
    budgets: [],
    hours: null,
    since: 1,
  }))
  const unlocked = unlock('default', {
    format: STATE_FORMAT,
    authority: pkcs8,
    log: pkcs8,
    keys,
    agents: [agent],
    invitations: [],
    grants,
    recipients: [],
    canaries: [],
  })
  const usage = new Usage()
  usage.watch(grants)
  const clock = { wall: 1, budget: 1 }
  return {
    unlocked,
    async ask(items) {
      const decided = decideItems({ namespace: 'default', unlocked, agent, usage, clock }, PURPOSE, items)
      if (JSON.stringify(entryItems(decided)).includes(VALUE)) throw new Error('the value is in the log')
      const opened = await openItems(decided)
      const results = decided.map((each, i) => revealItem(unlocked, each, opened[i]!, free => free))
      return { results, keys: decided.map(({ key }) => key) }
    },
  }
}

/**
 * What is answered for an item, as it can be compared.
 * @returns `null` where it opened, to {@link VALUE}
 * @throws Error for another value, and for what is no code
 */
export function codeOf(result: Opened): ErrorCode | null {
  if (isErrorCode(result)) return result
  if (!(result instanceof Uint8Array)) throw new Error('this is neither a value nor a code')
  if (Buffer.from(result).toString() !== VALUE) throw new Error('another value came out')
  return null
}

/**
 * Holds the codes of one ciphertext against each other, asked for in several places or under several keys: what does not open says the same everywhere,
 * and where it opens for one of them, no more than `open-failed`.
 * @throws Error for what tells more
 */
export function checkAlike(codes: readonly (ErrorCode | null)[]): void {
  const refusals = new Set(codes.filter(code => code !== null))
  if (refusals.size > 1) throw new Error(`refused in different words: ${[...refusals].join(', ')}`)
  const [said] = refusals
  if (said !== undefined && said !== 'open-failed' && codes.includes(null))
    throw new Error(`refused as ${said} where it opens elsewhere`)
}

/** The messages of an error and of all that caused it. @throws Error if the value is in one of them */
export function checkMessages(error: unknown): void {
  for (let at = error; at instanceof Error; at = at.cause)
    if (`${at.message} ${at.stack}`.includes(VALUE)) throw new Error('the value is in an error')
}
