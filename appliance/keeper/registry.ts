/** Changes of the sealed state as functions: each takes the state and returns what to keep, or throws. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import type { Grant } from './policy/grant.ts'
import type { SealedAgent, SealedInvitation, SealedRecipient, SealedState } from './sealed-state.ts'

/** A change that was refused, such as `key-exists`, `unknown-key`, `agent-exists`, `unknown-name`. */
export class RegistryError extends ClavigerError {}

/** A change of the state: no clock, no randomness, no file in it. */
export type Change = (state: SealedState) => SealedState

/** Adds a key with its first version. */
export function addKey(name: string, suite: SuiteLetter, pkcs8: Uint8Array, now: number): Change {
  return state => {
    if (state.keys.some(key => key.name === name))
      throw new RegistryError('key-exists', `there is a key ${name} already`, {
        hint: 'rotate it for a new version',
      })
    return {
      ...state,
      keys: [...state.keys, { name, suite, versions: [{ version: 1, created: now, pkcs8 }] }],
    }
  }
}

/** Adds a version to a key. The versions before it stay, so that old tokens still open. */
export function addVersion(name: string, pkcs8: Uint8Array, now: number): Change {
  return state => {
    const key = state.keys.find(key => key.name === name)
    if (!key) throw unknownKey(name)
    const version = key.versions.at(-1)!.version + 1
    const rotated = { ...key, versions: [...key.versions, { version, created: now, pkcs8 }] }
    return { ...state, keys: state.keys.map(other => (other === key ? rotated : other)) }
  }
}

export function unknownKey(name: string): RegistryError {
  return new RegistryError('unknown-key', `there is no key ${name}`)
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
    if (!state.keys.some(({ name }) => name === grant.key)) throw unknownKey(grant.key)
    return { ...state, grants: [...state.grants, { ...grant, id }] }
  }
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
