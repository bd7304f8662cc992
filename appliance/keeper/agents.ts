/** Methods about agents: list, invite, enrol, revoke. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { isOpen } from './admission.ts'
import { EnrolmentError, invitedKey, issue, makeInvitation } from './enrolment.ts'
import { logKeyOf } from './log-key.ts'
import { addInvitation, enrolAgent, removeName } from './registry.ts'
import type { AgentRow, Caller, Issued, Params, Results } from './rpc/messages.ts'
import { operational, type Service } from './service.ts'
import { newOperatorSlot, staffSlot } from './unlocking.ts'

/** Enrolled agents, then open invitations. */
export function listAgents(service: Service): AgentRow[] {
  const { agents, invitations } = operational(service)
  const enrolled = [...agents.values()].map(agent => ({ ...agent, expires: null }))
  const invited = [...invitations.values()]
    .filter(invitation => isOpen(invitation, service.now()))
    .map(({ certificate: _, ...row }) => ({ ...row, pin: null }))
  return [...enrolled, ...invited]
}

/** @throws RegistryError `agent-exists`, `unknown-key` */
export async function invite(
  service: Service,
  { name, role, validFor, unattended }: Params<'invite'>,
): Promise<Results['invite']> {
  if (unattended && role !== 'operator')
    throw new ClavigerError('malformed-request', 'only an operator can unlock unattended')
  const { secret, certificate } = makeInvitation(service.vault.namespace, name)
  const since = service.now()
  const expires = since + validFor
  await service.vault.update(addInvitation({ name, role, certificate, since, expires, unattended }))
  return { name, secret, expires }
}

/**
 * Registers the caller under its invitation, makes its unlock slot, and withdraws the invitation, in one generation.
 *
 * @throws EnrolmentError `invitation-refused`, `bad-certificate`; RegistryError `agent-exists`
 */
export async function enrol(
  service: Service,
  caller: Caller,
  { certificate, staff }: Params<'enrol'>,
): Promise<Issued> {
  const { namespace } = service.vault
  const authority = service.vault.public('authority')
  const unlocked = operational(service)
  const invitation = unlocked.invitations.get(caller.issuer.name)
  if (!invitation || !authority) throw new EnrolmentError('invitation-refused')
  const { name, role } = invitation
  const isUnattended = staff !== null && !('pin' in staff)
  if (isUnattended && !invitation.unattended)
    throw new EnrolmentError(
      'invitation-refused',
      'this invitation is for a machine at which a PIN is typed',
      {
        hint: 'enrol with a PIN, or ask for an invitation that was made with --unattended',
      },
    )
  const publicKey = invitedKey(certificate, caller.pin, invitation.certificate)
  const put = staff ? [newOperatorSlot(service, caller.pin, staff)] : []
  // The message that the pin is a part of must not live on in the registry.
  const pin = Uint8Array.from(caller.pin)
  await service.vault.update(enrolAgent(name, { pin, since: service.now(), unattended: isUnattended }), {
    put,
  })
  return issue(
    namespace,
    role,
    name,
    publicKey,
    { privateKey: unlocked.authority, certificate: authority },
    logKeyOf(service.vault),
  )
}

/**
 * Removes an agent with its grants and its unlock slot, or withdraws an invitation.
 *
 * @returns the pins whose connections must end
 * @throws RegistryError `unknown-name`, `last-administrator`
 */
export async function revoke(service: Service, { name }: Params<'revoke'>): Promise<Uint8Array[]> {
  const agents = [...operational(service).agents.values()].filter(agent => agent.name === name)
  await service.vault.update(removeName(name), { remove: agents.map(({ pin }) => staffSlot(pin)) })
  return agents.map(({ pin }) => pin)
}
