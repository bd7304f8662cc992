/**
 * The keeper of one namespace: takes every decision, and does what it allowed.
 *
 * `handle` is the one way in: who is it → may this role do that in this state → do it. Changes wait for each other;
 * opening fields waits for nothing.
 */
import { EventEmitter } from 'node:events'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { admit, type RouteName, type Standing, type State } from '../../protocol/api/routes.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import type { Provision } from '../provision.ts'
import { certifiedStanding } from '../standing.ts'
import { decrypt } from './decrypt.ts'
import { EnrolmentError, invitedKey, issue, makeAuthority, makeInvitation } from './enrolment.ts'
import type { Factor, NewFactor } from './keystore/factors.ts'
import type { NewSlot } from './keystore/slots.ts'
import {
  addInvitation,
  addKey,
  addVersion,
  type Change,
  enrolAgent,
  removeName,
  unknownKey,
} from './registry.ts'
import type { Caller, EventParams, Issued, Method, NewTyped, Params, Results } from './rpc/messages.ts'
import type { SealedAgent, SealedInvitation } from './sealed-state.ts'
import { hex, keyRow, type Unlocked } from './unlocked.ts'
import type { Vault } from './vault.ts'

/** What the keeper is given. */
export interface KeeperOptions {
  vault: Vault
  /** The card's `provision.json`; ignored once there is a keystore. */
  provision: Provision | null
  /** The 32 bytes of the systemd credential `device-secret`. */
  deviceSecret: Uint8Array
  /** Milliseconds since 1970. */
  clock(): number
}

const ADMIN_SLOT = 'admin'
const staffSlot = (name: string) => `staff/${name}`

type Events = { trust: [EventParams<'trust'>]; revoked: [EventParams<'revoked'>] }

export class Keeper extends EventEmitter<Events> {
  readonly #options: KeeperOptions
  readonly #vault: Vault
  #changes: Promise<unknown> = Promise.resolve()

  constructor(options: KeeperOptions) {
    super()
    this.#options = options
    this.#vault = options.vault
  }

  get state(): State {
    return this.#vault.state
  }

  /** What the gate must know to let anybody in: see `EVENTS.trust`. */
  trust(): EventParams<'trust'> {
    return { state: this.state, issuers: this.#issuers() }
  }

  #issuers(): Uint8Array[] {
    const { provision } = this.#options
    if (this.state === 'unprovisioned') return provision ? [provision.administrator] : []
    const authority = this.#vault.authority
    const { unlocked } = this.#vault
    const open = unlocked
      ? [...unlocked.invitations.values()].filter(invitation => this.#isOpen(invitation))
      : []
    return [...(authority ? [authority] : []), ...open.map(({ certificate }) => certificate)]
  }

  #isOpen({ expires }: SealedInvitation): boolean {
    return expires > this.#now()
  }

  /**
   * Answers one request.
   *
   * @throws ClavigerError with the code of the refusal or failure
   */
  async handle<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    const route = routeOf(method, params)
    const standing = this.#standing(caller)
    const refusal = admit(route, standing, this.state)
    if (refusal) throw new ClavigerError(refusal)
    const wasUnlocked = this.#vault.unlocked !== null
    try {
      return (await this.#serve(method, caller, params as never, standing!)) as Results[M]
    } finally {
      // What was under way when the vault was locked held on to its keys until now.
      if (wasUnlocked && !this.#vault.unlocked) this.#vault.collect()
    }
  }

  /** The registry says who an agent is; while it is locked away, the certificate does. */
  #standing(caller: Caller): Standing | null {
    const { unlocked, namespace } = this.#vault
    const certified = certifiedStanding(caller, this.state)
    if (certified === 'claimant') {
      const pin = this.#options.provision?.pin
      return pin && Buffer.compare(pin, caller.pin) === 0 ? 'claimant' : null
    }
    if (certified === null || caller.namespace !== namespace) return null
    if (certified === 'invited') {
      const invitation = unlocked?.invitations.get(caller.issuer.name)
      return invitation && this.#isOpen(invitation) ? 'invited' : null
    }
    return unlocked ? (this.#agent(unlocked, caller)?.role ?? null) : certified
  }

  #agent(unlocked: Unlocked, caller: Caller): SealedAgent | undefined {
    return unlocked.agents.get(hex(caller.pin))
  }

  async #decrypt(caller: Caller, { purpose, items }: Params<'decrypt'>): Promise<Results['decrypt']> {
    const unlocked = this.#unlocked()
    const agent = this.#agent(unlocked, caller)!
    const opened = await decrypt(this.#vault.namespace, unlocked, agent, purpose, items)
    if (this.#vault.unlocked) return opened
    for (const value of opened) if (value instanceof Uint8Array) value.fill(0)
    throw new ClavigerError('wrong-state')
  }

  /** @throws ClavigerError `wrong-state`: the device was locked after the request was admitted */
  #unlocked(): Unlocked {
    const { unlocked } = this.#vault
    if (!unlocked) throw new ClavigerError('wrong-state')
    return unlocked
  }

  #serve(
    method: Method,
    caller: Caller,
    params: never,
    standing: Standing,
  ): Results[Method] | Promise<Results[Method]> {
    switch (method) {
      case 'admit':
        return { standing }
      case 'status':
        return { state: this.state, namespace: this.#vault.namespace, reason: this.#vault.failure }
      case 'provision':
        return this.#exclusive(() => this.#provision(params))
      case 'unlockCost':
        return this.#vault.stretching(this.#slot(caller, (params as Params<'unlockCost'>).factor, standing))
      case 'unlock':
        return this.#exclusive(() => this.#unlock(caller, params, standing))
      case 'lock':
        return this.#lock()
      case 'listKeys':
        return [...this.#unlocked().keys.values()].map(keyRow)
      case 'showKey':
        return this.#key((params as Params<'showKey'>).key)
      case 'createKey':
        return this.#exclusive(() => this.#createKey(params))
      case 'rotateKey':
        return this.#exclusive(() => this.#rotateKey(params))
      case 'listAgents':
        return this.#listAgents()
      case 'invite':
        return this.#exclusive(() => this.#invite(params))
      case 'enrol':
        return this.#exclusive(() => this.#enrol(caller, params))
      case 'revoke':
        return this.#exclusive(() => this.#revoke(params))
      case 'decrypt':
        return this.#decrypt(caller, params)
      default:
        throw new ClavigerError('unknown-route')
    }
  }

  /** Runs changes one after the other, each against the state that the one before left. */
  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change)
    this.#changes = result.catch(() => {})
    return result
  }

  #now(): number {
    return Math.floor(this.#options.clock() / 1000)
  }

  /** Makes a change durable, then tells the gates. */
  async #update(change: Change): Promise<void> {
    await this.#vault.update(change)
    this.emit('trust', this.trust())
  }

  async #provision({ passphrase }: Params<'provision'>): Promise<Issued> {
    const { provision } = this.#options
    if (this.state !== 'unprovisioned' || !provision) throw new ClavigerError('wrong-state')
    const { namespace } = this.#vault
    const { subject, publicKey } = provision
    const authority = makeAuthority(namespace)
    const agent: SealedAgent = {
      name: subject.name,
      role: 'administrator',
      keys: [],
      pin: provision.pin,
      since: this.#now(),
    }
    const slot = {
      id: ADMIN_SLOT,
      kind: 'passphrase' as const,
      factors: [newTyped('passphrase', passphrase)],
    }
    const state = { format: 1, authority: authority.pkcs8, keys: [], agents: [agent], invitations: [] }
    await this.#vault.create(slot, authority.certificate, state)
    this.emit('trust', this.trust())
    return issue(namespace, 'administrator', agent.name, publicKey, authority)
  }

  async #unlock(caller: Caller, params: Params<'unlock'>, standing: Standing): Promise<{ state: State }> {
    if (this.state !== 'locked') throw new ClavigerError('wrong-state')
    const factors: Factor[] =
      'passphrase' in params
        ? [{ type: 'passphrase', output: params.passphrase }]
        : [{ type: 'pin', output: params.pin }, ...this.#randomFactors(params.hostShare)]
    await this.#vault.unlock(this.#slot(caller, factors[0]!.type, standing), factors)
    if (!this.#agent(this.#unlocked(), caller)) {
      this.#vault.lock()
      throw new ClavigerError('unknown-agent')
    }
    this.emit('trust', this.trust())
    return { state: this.state }
  }

  /** An administrator has the passphrase; an operator's PIN counts only with the share of its own machine. */
  #slot(caller: Caller, factor: Factor['type'], standing: Standing): string {
    if (factor !== 'passphrase') return staffSlot(caller.name)
    if (standing !== 'administrator') throw new ClavigerError('wrong-role')
    return ADMIN_SLOT
  }

  #randomFactors(hostShare: Uint8Array): Factor[] {
    return [
      { type: 'host-share', output: hostShare },
      { type: 'device-secret', output: this.#options.deviceSecret },
    ]
  }

  /** Waits for nothing: a change that is under way becomes visible at the next unlock. */
  #lock(): { state: State } {
    this.#vault.lock()
    this.emit('trust', this.trust())
    return { state: this.state }
  }

  #key(name: string): Results['showKey'] {
    const key = this.#unlocked().keys.get(name)
    if (!key) throw unknownKey(name)
    return keyRow(key)
  }

  async #createKey({ name, suite }: Params<'createKey'>): Promise<Results['createKey']> {
    const { pkcs8 } = generatePrivateKey(suite)
    await this.#update(addKey(name, suite, pkcs8, this.#now())).finally(() => pkcs8.fill(0))
    return this.#key(name)
  }

  async #rotateKey({ key: name }: Params<'rotateKey'>): Promise<Results['rotateKey']> {
    const key = this.#unlocked().keys.get(name)
    if (!key) throw unknownKey(name)
    const { pkcs8 } = generatePrivateKey(key.suite)
    await this.#update(addVersion(name, pkcs8, this.#now())).finally(() => pkcs8.fill(0))
    return this.#key(name)
  }

  #listAgents(): Results['listAgents'] {
    const { agents, invitations } = this.#unlocked()
    const enrolled = [...agents.values()].map(agent => ({ ...agent, expires: null }))
    const invited = [...invitations.values()]
      .filter(invitation => this.#isOpen(invitation))
      .map(({ certificate: _, ...row }) => ({ ...row, pin: null }))
    return [...enrolled, ...invited]
  }

  async #invite({ name, role, keys, validFor }: Params<'invite'>): Promise<Results['invite']> {
    const { secret, certificate } = makeInvitation(this.#vault.namespace, name)
    const since = this.#now()
    const expires = since + validFor
    await this.#update(addInvitation({ name, role, keys, certificate, since, expires }))
    return { name, secret, expires }
  }

  async #enrol(caller: Caller, { certificate, staff }: Params<'enrol'>): Promise<Issued> {
    const { namespace, authority } = this.#vault
    const unlocked = this.#unlocked()
    const invitation = unlocked.invitations.get(caller.issuer.name)
    if (!invitation || !authority) throw new EnrolmentError('invitation-refused')
    const { name, role } = invitation
    const publicKey = invitedKey(certificate, caller.pin, invitation.certificate)
    const put: NewSlot[] = staff
      ? [
          {
            id: staffSlot(name),
            kind: 'staff',
            factors: [newTyped('pin', staff.pin), ...this.#randomFactors(staff.hostShare)],
          },
        ]
      : []
    // The message that the pin is a part of must not live on in the registry.
    const pin = Uint8Array.from(caller.pin)
    await this.#vault.update(enrolAgent(name, pin, this.#now()), { put })
    this.emit('trust', this.trust())
    return issue(namespace, role, name, publicKey, { privateKey: unlocked.authority, certificate: authority })
  }

  async #revoke({ name }: Params<'revoke'>): Promise<{ revoked: string }> {
    const pins = [...this.#unlocked().agents.values()]
      .filter(agent => agent.name === name)
      .map(({ pin }) => pin)
    await this.#vault.update(removeName(name), { remove: [staffSlot(name)] })
    this.emit('trust', this.trust())
    this.emit('revoked', { pins })
    return { revoked: name }
  }
}

/** The route that a method serves: who may call it, and when. */
function routeOf<M extends Method>(method: M, params: Params<M>): RouteName {
  if (method === 'admit') return (params as Params<'admit'>).route
  return method === 'unlockCost' ? 'unlock' : (method as RouteName)
}

/** A passphrase or PIN for a new slot, as the gate stretched it. */
function newTyped(type: 'passphrase' | 'pin', { output, ...argon2 }: NewTyped): NewFactor {
  return { type, output, argon2 }
}
