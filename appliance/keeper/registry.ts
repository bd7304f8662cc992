/** Changes of the sealed state as functions: each takes the state and returns what to keep, or throws. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { KeyUse } from '../../protocol/api/routes.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import type { Grant } from './policy/grant.ts'
import type {
  LegacyForm,
  SealedAgent,
  SealedInvitation,
  SealedKey,
  SealedRecipient,
  SealedState,
} from './sealed-state.ts'

/** A change that was refused, such as `key-exists`, `unknown-key`, `agent-exists`, `unknown-name`. */
export class RegistryError extends ClavigerError {}

/** A change of the state: no clock, no randomness, no file in it. */
export type Change = (state: SealedState) => SealedState

/** Adds a key with its first version. */
export function addKey(
  name: string,
  suite: SuiteLetter,
  pkcs8: Uint8Array,
  now: number,
  use: KeyUse = 'fields',
): Change {
  const versions = [{ version: 1, created: now, pkcs8 }]
  return addFirst(
    { name, suite, versions, ...(use === 'fields' ? {} : { use }) },
    'rotate it for a new version',
  )
}

/** Adds an imported key. It never gets another version. */
export function addLegacyKey(name: string, pkcs8: Uint8Array, legacy: LegacyForm, now: number): Change {
  const versions = [{ version: 1, created: now, pkcs8 }]
  return addFirst({ name, suite: 'rsa', versions, legacy }, 'import it under another name')
}

function addFirst(key: SealedKey, hint: string): Change {
  return state => {
    const { name } = key
    if (state.keys.some(other => other.name === name))
      throw new RegistryError('key-exists', `there is a key ${name} already`, { hint })
    return { ...state, keys: [...state.keys, key] }
  }
}

/** Adds a version to a key. The versions before it stay, so that old tokens still open. */
export function addVersion(name: string, pkcs8: Uint8Array, now: number): Change {
  return state => {
    const key = state.keys.find(key => key.name === name)
    if (!key) throw unknownKey(name)
    if (key.legacy) throw isLegacy(name, 'has one version only')
    if (key.versions.at(-1)!.retired) throw isRetired(name)
    const version = key.versions.at(-1)!.version + 1
    const rotated = { ...key, versions: [...key.versions, { version, created: now, pkcs8 }] }
    return { ...state, keys: state.keys.map(other => (other === key ? rotated : other)) }
  }
}

export function unknownKey(name: string): RegistryError {
  return new RegistryError('unknown-key', `there is no key ${name}`)
}

/** Under a key that is to be deleted nothing is sealed any more. */
export function isRetired(name: string): RegistryError {
  return new RegistryError('key-retired', `${name} is retired`, {
    hint: 'claviger admin key undelete takes that back',
  })
}

/** @param what - that a key of this use does not do */
export function isForOther(name: string, use: KeyUse, what: string): RegistryError {
  return new RegistryError('bad-key', `${name} was made for ${use}, and ${what}`, {
    hint: 'a key is for one use, for good: make another one with claviger admin key create',
  })
}

/** @param what - that an imported key does not do */
export function isLegacy(name: string, what: string): RegistryError {
  return new RegistryError('bad-key', `${name} is an imported key, which ${what}`, {
    hint: 'make a key with: claviger admin key create; then rewrap what the imported one opens',
  })
}

/** Adds an invitation. Expired ones make room. */
export function addInvitation(invitation: SealedInvitation): Change {
  return state => {
    const invitations = state.invitations.filter(({ expires }) => expires > invitation.since)
    const { name } = invitation
    if ([...state.agents, ...invitations].some(other => other.name === name))
      throw new RegistryError('agent-exists', `${name} is enrolled or invited already`, {
        hint: `revoke ${name} first, or choose another name`,
      })
    return { ...state, invitations: [...invitations, invitation] }
  }
}

/** Turns an invitation into an agent with the same name and role. */
export function enrolAgent(name: string, enrolled: Omit<SealedAgent, 'name' | 'role'>): Change {
  return state => {
    const invitation = state.invitations.find(other => other.name === name && other.expires > enrolled.since)
    if (!invitation) throw new RegistryError('invitation-refused')
    const agent: SealedAgent = { name, role: invitation.role, ...enrolled }
    if (state.agents.some(other => Buffer.compare(other.pin, enrolled.pin) === 0))
      throw new RegistryError('agent-exists', 'the key of this certificate belongs to another agent')
    return {
      ...state,
      agents: [...state.agents, agent],
      invitations: state.invitations.filter(other => other !== invitation),
    }
  }
}

/** Removes an agent with its grants, or withdraws an invitation. */
export function removeName(name: string): Change {
  return state => {
    const agents = state.agents.filter(agent => agent.name !== name)
    const invitations = state.invitations.filter(invitation => invitation.name !== name)
    if (agents.length + invitations.length === state.agents.length + state.invitations.length)
      throw new RegistryError('unknown-name', `nobody named ${name} is enrolled or invited`)
    if (!agents.some(({ role }) => role === 'administrator'))
      throw new RegistryError('last-administrator', 'the last administrator cannot be revoked', {
        hint: 'invite and enrol another administrator first',
      })
    const grants = state.grants.filter(({ agent }) => agent !== name)
    return { ...state, agents, invitations, grants }
  }
}

/** Adds a grant for somebody who is enrolled or invited. */
export function addGrant(grant: Omit<Grant, 'id'>, id: string): Change {
  return state => {
    const people = [...state.agents, ...state.invitations]
    const agent = people.find(({ name }) => name === grant.agent)
    if (!agent) throw new RegistryError('unknown-name', `nobody named ${grant.agent} is enrolled or invited`)
    if (agent.role !== 'operator')
      throw new RegistryError('wrong-role', `${grant.agent} is ${agent.role}, and only operators open fields`)
    checkKeys(state, grant)
    return { ...state, grants: [...state.grants, { ...grant, id }] }
  }
}

function checkKeys({ keys }: SealedState, { key, target, reveal }: Omit<Grant, 'id'>): void {
  const sealing = target ?? key
  for (const wanted of [key, sealing]) if (!keys.some(({ name }) => name === wanted)) throw unknownKey(wanted)
  if (reveal.includes('rewrap') && keys.some(({ name, legacy }) => name === sealing && legacy))
    throw isLegacy(sealing, 'nothing is sealed under')
  const useOf = (wanted: string) => keys.find(({ name }) => name === wanted)?.use ?? 'fields'
  const [use, sealingUse] = [useOf(key), useOf(sealing)]
  if (reveal.includes('derive') !== (use === 'derive') || (use === 'derive' && reveal.length > 1))
    throw isForOther(key, use, use === 'derive' ? 'is granted with derive alone' : 'gives no raw secrets')
  if (reveal.includes('rewrap') && (sealingUse === 'files' || use === 'files'))
    throw isForOther(sealing, sealingUse, 'nothing is sealed again with it')
}

export function removeGrant(id: string): Change {
  return state => {
    const grants = state.grants.filter(grant => grant.id !== id)
    if (grants.length === state.grants.length)
      throw new RegistryError('unknown-grant', `there is no grant ${id}`, {
        hint: 'claviger admin grant list shows them',
      })
    return { ...state, grants }
  }
}

export function addRecipient(recipient: SealedRecipient): Change {
  return state => {
    if (state.recipients.some(({ name }) => name === recipient.name))
      throw new RegistryError('recipient-exists', `there is a recipient ${recipient.name} already`, {
        hint: 'remove it first, or choose another name',
      })
    return { ...state, recipients: [...state.recipients, recipient] }
  }
}

export function removeRecipient(name: string): Change {
  return state => {
    const recipients = state.recipients.filter(recipient => recipient.name !== name)
    if (recipients.length === state.recipients.length) throw unknownRecipient(name)
    return { ...state, recipients }
  }
}

export function unknownRecipient(name: string): RegistryError {
  return new RegistryError('unknown-recipient', `there is no recipient ${name}`)
}

/** @param digest - as `canaryDigest` gives it */
export function addCanary(digest: Uint8Array): Change {
  return state => ({ ...state, canaries: [...state.canaries, digest] })
}
