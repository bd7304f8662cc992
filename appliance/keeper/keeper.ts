/**
 * The keeper of one namespace: takes every decision, and does what it allowed.
 *
 * `handle` is the one way in: who is it → may this role do that in this state → do it. Changes wait for each other;
 * opening fields waits for nothing.
 */
import { EventEmitter } from 'node:events'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { admit, type RouteName, type Standing, type State } from '../../protocol/api/routes.ts'
import type { Provision } from '../provision.ts'
import { issuersOf, type Situation, standingOf } from './admission.ts'
import { enrol, invite, listAgents, revoke } from './agents.ts'
import { decrypt } from './decrypt.ts'
import { createKey, listKeys, rotateKey, showKey } from './keys.ts'
import type { Caller, EventParams, Method, Params, Results } from './rpc/messages.ts'
import { agentOf, operational, type Service } from './service.ts'
import { provisionDevice, unlockCost, unlockDevice } from './unlocking.ts'
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

type Events = { trust: [EventParams<'trust'>]; revoked: [EventParams<'revoked'>] }

/** Methods that write the keystore: one after the other. */
const CHANGES: ReadonlySet<Method> = new Set([
  'provision',
  'unlock',
  'createKey',
  'rotateKey',
  'invite',
  'enrol',
  'revoke',
])

export class Keeper extends EventEmitter<Events> {
  readonly #service: Service
  readonly #vault: Vault
  #changes: Promise<unknown> = Promise.resolve()

  constructor({ clock, ...parts }: KeeperOptions) {
    super()
    this.#service = { ...parts, now: () => Math.floor(clock() / 1000) }
    this.#vault = parts.vault
  }

  get state(): State {
    return this.#vault.state
  }

  /** What the gate must know to let anybody in: see `EVENTS.trust`. */
  trust(): EventParams<'trust'> {
    return { state: this.state, issuers: issuersOf(this.#situation()) }
  }

  #situation(): Situation {
    const { state, namespace, unlocked, authority } = this.#vault
    const { provision, now } = this.#service
    return { state, namespace, unlocked, authority, provision, now: now() }
  }

  /**
   * Answers one request.
   *
   * @throws ClavigerError with the code of the refusal or failure
   */
  async handle<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    const route = routeOf(method, params)
    this.#admit(route, caller)
    const wasUnlocked = this.#vault.unlocked !== null
    try {
      // A change waits for those before it, which may have changed what its caller may do.
      const serve = async () => this.#serve(method, caller, params as never, this.#admit(route, caller))
      return (await (CHANGES.has(method) ? this.#change(serve) : serve())) as Results[M]
    } finally {
      // What was under way when the vault was locked held on to its keys until now.
      if (wasUnlocked && !this.#vault.unlocked) this.#vault.collect()
    }
  }

  /** @throws ClavigerError the refusal of a caller who may not use this route now */
  #admit(route: RouteName, caller: Caller): Standing {
    const standing = standingOf(caller, this.#situation())
    const refusal = admit(route, standing, this.state)
    if (refusal) throw new ClavigerError(refusal)
    return standing!
  }

  /** Runs changes one after the other, each against the state that the one before left, then tells the gates. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change)
    this.#changes = result.catch(() => {})
    return result.finally(() => this.emit('trust', this.trust()))
  }

  #serve(
    method: Method,
    caller: Caller,
    params: never,
    standing: Standing,
  ): Results[Method] | Promise<Results[Method]> {
    const service = this.#service
    switch (method) {
      case 'admit':
        return { standing }
      case 'status':
        return { state: this.state, namespace: this.#vault.namespace, reason: this.#vault.failure }
      case 'provision':
        return provisionDevice(service, params)
      case 'unlockCost':
        return unlockCost(service, caller, params, standing)
      case 'unlock':
        return unlockDevice(service, caller, params, standing).then(() => ({ state: this.state }))
      case 'lock':
        return this.#lock()
      case 'listKeys':
        return listKeys(service)
      case 'showKey':
        return showKey(service, params)
      case 'createKey':
        return createKey(service, params)
      case 'rotateKey':
        return rotateKey(service, params)
      case 'listAgents':
        return listAgents(service)
      case 'invite':
        return invite(service, params)
      case 'enrol':
        return enrol(service, caller, params)
      case 'revoke':
        return this.#revoke(params)
      case 'decrypt':
        return this.#decrypt(caller, params)
      default:
        throw new ClavigerError('unknown-route')
    }
  }

  async #decrypt(caller: Caller, { purpose, items }: Params<'decrypt'>): Promise<Results['decrypt']> {
    const unlocked = operational(this.#service)
    const agent = agentOf(unlocked, caller)!
    const opened = await decrypt(this.#vault.namespace, unlocked, agent, purpose, items)
    if (this.#vault.unlocked) return opened
    for (const value of opened) if (value instanceof Uint8Array) value.fill(0)
    throw new ClavigerError('wrong-state')
  }

  /** Waits for nothing: a change that is under way becomes visible at the next unlock. */
  #lock(): { state: State } {
    this.#vault.lock()
    this.emit('trust', this.trust())
    return { state: this.state }
  }

  async #revoke(params: Params<'revoke'>): Promise<{ revoked: string }> {
    const pins = await revoke(this.#service, params)
    this.emit('revoked', { pins })
    return { revoked: params.name }
  }
}

/** The route that a method serves: who may call it, and when. */
function routeOf<M extends Method>(method: M, params: Params<M>): RouteName {
  if (method === 'admit') return (params as Params<'admit'>).route
  return method === 'unlockCost' ? 'unlock' : (method as RouteName)
}
