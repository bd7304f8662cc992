/** Methods that make and open the keystore: provision, unlock, and how what is typed for a slot must be stretched. */
import { generateKeyPairSync } from 'node:crypto'
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Standing } from '../../protocol/api/routes.ts'
import { issue, makeAuthority } from './enrolment.ts'
import type { Factor, NewFactor } from './keystore/factors.ts'
import type { NewSlot } from './keystore/slots.ts'
import { logKeyOf } from './log-key.ts'
import type { Caller, Issued, NewTyped, Params, Results, Staff } from './rpc/messages.ts'
import { type SealedAgent, type SealedState, STATE_FORMAT } from './sealed-state.ts'
import { agentOf, operational, type Service } from './service.ts'
import { hex } from './unlocked.ts'

const ADMIN_SLOT = 'admin'

/**
 * Id of the slot that an operator's PIN opens, together with the share of its machine. It has the key of that machine in
 * it, not its name: a revoked agent must not use up the tries of another who was enrolled under its name.
 *
 * @param pin - of the agent's public key, 32 bytes
 */
export const staffSlot = (pin: Uint8Array): string => `staff/${hex(pin).slice(0, 32)}`

/** The keystore, the authority and the first administrator, in one generation. */
export async function provisionDevice(
  service: Service,
  { passphrase }: Params<'provision'>,
): Promise<Issued> {
  const { vault, provision } = service
  if (!provision) throw new ClavigerError('wrong-state')
  const { namespace } = vault
  const { subject, publicKey, pin } = provision
  const authority = makeAuthority(namespace)
  const agent: SealedAgent = {
    name: subject.name,
    role: 'administrator',
    pin,
    since: service.now(),
    unattended: false,
  }
  const slot: NewSlot = { id: ADMIN_SLOT, kind: 'passphrase', factors: [newTyped('passphrase', passphrase)] }
  const log = generateKeyPairSync('ed25519')
  const state: SealedState = {
    format: STATE_FORMAT,
    authority: authority.pkcs8,
    log: log.privateKey.export({ type: 'pkcs8', format: 'der' }),
    keys: [],
    agents: [agent],
    invitations: [],
    grants: [],
    recipients: [],
    canaries: [],
  }
  const publicPart = {
    authority: authority.certificate,
    log: log.publicKey.export({ type: 'spki', format: 'der' }),
  }
  await vault.create(slot, publicPart, state)
  return issue(namespace, 'administrator', agent.name, publicKey, authority, logKeyOf(vault))
}

/** @throws UnlockError `unlock-refused`, `slot-destroyed`; ClavigerError `unknown-agent` for one who was revoked */
export async function unlockDevice(
  service: Service,
  caller: Caller,
  params: Params<'unlock'>,
  standing: Standing,
): Promise<void> {
  const factors = factorsOf(service, params)
  await service.vault.unlock(slotFor(caller, factors[0]!.type, standing), factors)
  if (agentOf(operational(service), caller)) return
  service.vault.lock()
  throw new ClavigerError('unknown-agent')
}

/**
 * Checks the administrator's passphrase, and leaves the device locked.
 *
 * @throws as {@link unlockDevice}
 */
export async function liftLockdown(
  { vault }: Service,
  caller: Caller,
  { passphrase }: Params<'liftLockdown'>,
): Promise<void> {
  try {
    await vault.unlock(ADMIN_SLOT, [{ type: 'passphrase', output: passphrase }])
    if (agentOf(vault.unlocked!, caller)?.role !== 'administrator') throw new ClavigerError('unknown-agent')
  } finally {
    vault.lock()
  }
}

/** What the gate must know to stretch what the caller types. */
export function unlockCost(
  service: Service,
  caller: Caller,
  { factor }: Params<'unlockCost'>,
  standing: Standing,
): Promise<Results['unlockCost']> {
  return service.vault.stretching(slotFor(caller, factor, standing))
}

/** A slot for an operator on the machine that holds this share; `agent` is the pin of the machine's key. */
export function newOperatorSlot(service: Service, agent: Uint8Array, staff: Staff): NewSlot {
  const id = staffSlot(agent)
  const random = randomFactors(service, staff.hostShare)
  return 'pin' in staff
    ? { id, kind: 'staff', factors: [newTyped('pin', staff.pin), ...random] }
    : { id, kind: 'unattended', factors: random }
}

function factorsOf(service: Service, params: Params<'unlock'>): Factor[] {
  if ('passphrase' in params) return [{ type: 'passphrase', output: params.passphrase }]
  const random = randomFactors(service, params.hostShare)
  return 'pin' in params ? [{ type: 'pin', output: params.pin }, ...random] : random
}

/** An administrator has the passphrase; an operator's PIN counts only with the share of its own machine. */
function slotFor(caller: Caller, factor: Factor['type'], standing: Standing): string {
  if (factor !== 'passphrase') return staffSlot(caller.pin)
  if (standing !== 'administrator') throw new ClavigerError('wrong-role')
  return ADMIN_SLOT
}

function randomFactors({ deviceSecret }: Service, hostShare: Uint8Array): Factor[] {
  return [
    { type: 'host-share', output: hostShare },
    { type: 'device-secret', output: deviceSecret },
  ]
}

/** A passphrase or PIN for a new slot, as the gate stretched it. */
function newTyped(type: 'passphrase' | 'pin', { output, ...argon2 }: NewTyped): NewFactor {
  return { type, output, argon2 }
}
