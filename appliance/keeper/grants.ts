/** Methods about grants and recipients: list, add, remove, explain. */
import { checkRecipient, RecipientError } from '../../protocol/envelope/jwe.ts'
import type { PolicyClock } from './policy/decide.ts'
import { explain } from './policy/explain.ts'
import { checkGrant, type Grant } from './policy/grant.ts'
import { addGrant, addRecipient, removeGrant, removeRecipient, unknownKey } from './registry.ts'
import { leftOf } from './report.ts'
import type { Caller, ExplanationRow, Params, Results } from './rpc/messages.ts'
import { agentOf, operational, type Service } from './service.ts'

export function listGrants(service: Service): Grant[] {
  return [...operational(service).grants]
}

/** What the caller may, by the name that the registry knows it under, and what is left of that. */
export function myGrants(service: Service, caller: Caller): Results['myGrants'] {
  const unlocked = operational(service)
  const name = agentOf(unlocked, caller)?.name
  const grants = unlocked.grants.filter(({ agent }) => agent === name)
  return { grants, budgets: leftOf(grants, service.recorder).map(({ agent: _, ...left }) => left) }
}

/**
 * @param index - of the entry of this change in the log: the grant is named after it
 * @throws ClavigerError `malformed-request`, `forbidden-field`; RegistryError `unknown-name`, `unknown-key`, `wrong-role`
 */
export async function grant(service: Service, params: Params<'addGrant'>, index: number): Promise<Grant> {
  const grant = { ...params, id: `g${index}`, since: service.now() }
  checkGrant(grant)
  await service.vault.update(addGrant(grant, grant.id))
  return grant
}

/** @throws RegistryError `unknown-grant` */
export async function withdraw(
  service: Service,
  { id }: Params<'removeGrant'>,
): Promise<{ removed: string }> {
  await service.vault.update(removeGrant(id))
  return { removed: id }
}

/** How a request for a record that was not seen before would be decided now. */
export function explainGrant(
  service: Service,
  { agent, key, field, purpose, reveal, target }: Params<'explainGrant'>,
  clock: PolicyClock,
): ExplanationRow {
  const { grants, agents, keys } = operational(service)
  if (!keys.has(key)) throw unknownKey(key)
  const role = [...agents.values()].find(({ name }) => name === agent)?.role ?? 'operator'
  const { usage } = service.recorder.chronicle
  const ask = { agent, role, key, field, purpose, reveal, record: '', ...(target ? { target } : {}) }
  const { decision, touch, rules } = explain(ask, { grants, usage }, clock, service.presence.hasButton)
  return {
    allowed: decision.code === undefined,
    code: decision.code ?? '',
    grant: decision.code === undefined ? decision.grant : '',
    free: decision.code === 'over-budget' ? freeAt(decision.free, clock) : 0,
    touch,
    rules: [...rules],
  }
}

/** An instant of budget time as seconds since 1970, if nothing is set meanwhile. */
export function freeAt(budgetTime: number, clock: PolicyClock): number {
  return Math.ceil((clock.wall + budgetTime - clock.budget) / 1000)
}

export function listRecipients(service: Service): Results['listRecipients'] {
  return [...operational(service).recipients.values()].map(({ name, jwk, since }) => ({ name, jwk, since }))
}

/** @throws RecipientError `bad-recipient`; RegistryError `recipient-exists` */
export async function register(
  service: Service,
  { name, jwk }: Params<'addRecipient'>,
): Promise<Results['addRecipient']> {
  checkRecipient(parseJwk(jwk))
  const recipient = { name, jwk, since: service.now() }
  await service.vault.update(addRecipient(recipient))
  return recipient
}

function parseJwk(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RecipientError('the key is not JSON', { cause })
  }
}

/** @throws RegistryError `unknown-recipient` */
export async function unregister(
  service: Service,
  { name }: Params<'removeRecipient'>,
): Promise<{ removed: string }> {
  await service.vault.update(removeRecipient(name))
  return { removed: name }
}
