/**
 * The keeper of one namespace: takes every decision, and does what it allowed.
 *
 * `handle` is the one way in: who is it → may this role do that in this state → write it to the log → do it. Changes wait
 * for each other; opening fields waits for the log alone.
 */
import { EventEmitter } from 'node:events'
import { ClavigerError, type ErrorCode } from '../../protocol/api/errors.ts'
import { admit, type RouteName, type Standing, type State } from '../../protocol/api/routes.ts'
import type { Provision } from '../provision.ts'
import { CHANGES, detailOf, routeOf } from './actions.ts'
import { issuersOf, type Situation, standingOf } from './admission.ts'
import type { AuditLog } from './audit/log.ts'
import { serveAudit } from './auditing.ts'
import type { Chronicle } from './chronicle.ts'
import type { Clock } from './clock.ts'
import { confirm } from './confirming.ts'
import { dueVersions, purgeDue } from './key-life.ts'
import { Locking } from './locking.ts'
import { decryption, derivation, open, rewrapping, type Work } from './opening.ts'
import { Presence } from './panel/presence.ts'
import { type Call, perform } from './perform.ts'
import { Recorder } from './recorder.ts'
import { Counters, report } from './report.ts'
import type { Caller, EventParams, Method, Params, Results } from './rpc/messages.ts'
import type { Service } from './service.ts'
import { readSettings } from './settings.ts'
import { Tickets } from './tickets.ts'
import type { Vault } from './vault.ts'

/** What the keeper is given. */
export interface KeeperOptions {
  vault: Vault
  log: AuditLog
  /** What the log told when it was opened. */
  chronicle: Chronicle
  /** The first administrator of the namespace, from the card; ignored once there is a keystore. */
  provision: Provision | null
  /** The 32 bytes of the systemd credential `device-secret`. */
  deviceSecret: Uint8Array
  /** Where requests wait for a press of the button; without one where there is none. */
  presence?: Presence | undefined
  clock: Clock
}

/** Methods that show entries. */
const READS_LOG: ReadonlySet<Method> = new Set(['auditEntries', 'auditMine'])

type Events = { trust: [EventParams<'trust'>]; revoked: [EventParams<'revoked'>] }

export class Keeper extends EventEmitter<Events> {
  readonly #service: Service
  readonly #vault: Vault
  readonly #recorder: Recorder
  readonly #locking: Locking
  readonly #counters = new Counters()
  #changes: Promise<unknown> = Promise.resolve()
  /** Resolves when the budgets have been counted; decisions wait for it. */
  #counted: Promise<void> | null = null

  constructor({ clock, log, chronicle, presence = new Presence(), ...parts }: KeeperOptions) {
    super()
    this.#vault = parts.vault
    this.#recorder = new Recorder(log, clock, chronicle)
    this.#recorder.chronicle.tries.limits = readSettings(this.#vault).tries
    const now = () => Math.floor(clock.wall() / 1000)
    this.#service = { ...parts, presence, recorder: this.#recorder, tickets: new Tickets(), now }
    this.#locking = new Locking(this.#service, {
      changed: () => this.emit('trust', this.trust()),
      // After the change that opened it, which it would wait for.
      opened: () => void this.purge(),
    })
  }

  get namespace(): string {
    return this.#vault.namespace
  }

  get state(): State {
    const { state } = this.#vault
    const isForgotten = state === 'locked' || state === 'operational'
    return isForgotten && this.#recorder.chronicle.lockdown ? 'lockdown' : state
  }

  /** Deletes the retired versions whose days are over; where it is locked, at the next unlock. */
  async purge(): Promise<void> {
    if (this.state !== 'operational' || dueVersions(this.#service).length === 0) return
    await this.#change(() => purgeDue(this.#service)).catch(error => {
      process.stderr.write(`claviger-keeper: retired keys could not be deleted: ${error.message}\n`)
    })
  }

  /** Something is wrong with the keystore or with the log. */
  get isDamaged(): boolean {
    return this.#reason() !== ''
  }

  /** What the gate must know to let anybody in: see `EVENTS.trust`. */
  trust(): EventParams<'trust'> {
    return { namespace: this.namespace, state: this.state, issuers: issuersOf(this.#situation()) }
  }

  #situation(): Situation {
    const { namespace } = this.#vault
    const { provision, now } = this.#service
    const { state } = this
    const unlocked = state === 'operational' ? this.#vault.unlocked : null
    const roleOf = (pin: Uint8Array) => this.#vault.roleOf(pin)
    return {
      state,
      namespace,
      unlocked,
      roleOf,
      authority: this.#vault.public('authority'),
      provision,
      now: now(),
    }
  }

  /**
   * Answers one request.
   *
   * @throws ClavigerError with the code of the refusal or failure
   */
  async handle<M extends Method>(method: M, caller: Caller, params: Params<M>): Promise<Results[M]> {
    const route = routeOf(method, params)
    const refusal = this.#refusal(route, caller)
    if (refusal) throw await this.#refused(caller, route, refusal)
    const wasUnlocked = this.#vault.unlocked !== null
    try {
      return (await (CHANGES.has(method)
        ? this.#change(() => this.#serveAgain(method, route, caller, params as never))
        : this.#serve(method, caller, params as never))) as Results[M]
    } finally {
      // What was under way when the vault was locked held on to its keys until now.
      if (wasUnlocked && !this.#vault.unlocked) this.#vault.collect()
    }
  }

  #standing(caller: Caller): Standing | null {
    return standingOf(caller, this.#situation())
  }

  #refusal(route: RouteName, caller: Caller): ReturnType<typeof admit> {
    return admit(route, this.#standing(caller), this.state)
  }

  /** Writes a refusal of somebody to the log; that something is not possible now is no refusal of anybody. */
  async #refused(
    caller: Caller,
    route: RouteName,
    code: 'unknown-agent' | 'wrong-role' | 'wrong-state',
  ): Promise<Error> {
    const isKept = this.state !== 'unprovisioned' && this.state !== 'failed'
    if (code !== 'wrong-state' && isKept) await this.#recorder.refused(caller, route, code)
    return new ClavigerError(code)
  }

  /** Runs changes one after the other, each against the state that the one before left, then tells the gates. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change)
    this.#changes = result.catch(() => {})
    return result.finally(() => this.emit('trust', this.trust()))
  }

  /** A change waits for those before it, which may have changed what its caller may do. */
  async #serveAgain(method: Method, route: RouteName, caller: Caller, params: never): Promise<unknown> {
    const refusal = this.#refusal(route, caller)
    if (refusal) throw await this.#refused(caller, route, refusal)
    return this.#serve(method, caller, params)
  }

  async #serve(method: Method, caller: Caller, params: never): Promise<unknown> {
    switch (method) {
      case 'admit':
        return { standing: this.#standing(caller) }
      case 'status':
        return { state: this.state, namespace: this.namespace, reason: this.#reason() }
      case 'decrypt':
        return this.#decrypt(caller, params)
      case 'rewrap':
        return this.#rewrap(caller, params)
      case 'derive':
        return this.#derive(caller, params)
      case 'lock':
        await this.#locking.lock(caller)
        return { state: this.state }
      case 'lockdown':
        await this.#locking.lockDown(caller, {
          what: 'lockdown',
          why: (params as Params<'lockdown'>).reason || `by ${caller.name}`,
        })
        return { state: this.state }
      case 'unlock':
        await this.#locking.unlock(caller, params, this.#standing(caller)!)
        return { state: this.state }
      case 'liftLockdown':
        await this.#locking.lift(caller, params)
        return { state: this.state }
      case 'report':
        return report(this.#service, this.#counters)
      case 'auditCheckpoint':
      case 'auditConsistency':
      case 'auditInclusion':
        return serveAudit(this.#service, method, params)
    }
    return this.#perform({ method, caller, params, standing: this.#standing(caller)!, index: 0 })
  }

  #reason(): string {
    const { damage } = this.#recorder.log
    return this.#vault.failure || (damage ? damage.message : '')
  }

  /** Writes, does, and writes if it did not work out. */
  async #perform(call: Call): Promise<unknown> {
    const { method, params } = call
    const detail = detailOf(method, params)
    // Of a log that takes no entries any more, what it has can still be read.
    const isReading = READS_LOG.has(method) && this.#recorder.log.damage !== null
    if (detail === null || isReading) return perform(this.#service, call)
    return method === 'addGrant'
      ? this.#whileDecisionsWait(() => this.#record(call, detail))
      : this.#record(call, detail)
  }

  async #record(call: Call, detail: Record<string, string | number | boolean>): Promise<unknown> {
    const { method, caller, params } = call
    const { generation } = this.#vault
    // The entries that told the generation may be among those that are dropped.
    if (method === 'auditArchive') detail.generation = generation
    // The room that is kept for getting out of a full log is not for those who look at their own day.
    const index = await this.#recorder.allowed(caller, method, detail, method !== 'auditMine')
    try {
      const result = await perform(this.#service, { ...call, index })
      if (method === 'revoke') this.#revoked((params as Params<'revoke'>).name, result as Uint8Array[])
      if (method === 'provision') await this.#locking.opened()
      if (method === 'changeSettings') this.#recorder.chronicle.tries.limits = readSettings(this.#vault).tries
      if (this.#vault.generation > generation) await this.#wrote(caller)
      return method === 'revoke' ? { revoked: (params as Params<'revoke'>).name } : result
    } catch (error) {
      await this.#recorder.failed(caller, method, error)
      throw error
    }
  }

  #revoked(name: string, pins: Uint8Array[]): void {
    this.#service.presence.withdraw(this.namespace, name)
    this.emit('revoked', { pins })
  }

  /** Tells the log of the keystore's generation: one that is older is a copy that was put back. */
  async #wrote(caller: Caller): Promise<void> {
    await this.#recorder.told({
      agent: caller.name,
      role: caller.role,
      action: 'keystore',
      outcome: 'allowed',
      detail: { generation: this.#vault.generation },
    })
  }

  /**
   * A new budget is counted from the log before anything is decided under it. What was decided before is in the log by
   * then, because entries are written in the order of the decisions.
   */
  async #whileDecisionsWait<T>(change: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#counted = promise
    try {
      return await change()
    } finally {
      await this.#locking.countBudgets().finally(() => {
        this.#counted = null
        resolve()
      })
    }
  }

  async #decrypt(caller: Caller, params: Params<'decrypt'>): Promise<Results['decrypt']> {
    const { results, index } = await this.#open(caller, decryption(params))
    return { opened: results, index }
  }

  async #rewrap(caller: Caller, params: Params<'rewrap'>): Promise<Results['rewrap']> {
    const { results, index } = await this.#open(caller, rewrapping(params))
    return { rewrapped: results, index }
  }

  /** @throws ClavigerError with the code of the refusal: there is but one item */
  async #derive(caller: Caller, params: Params<'derive'>): Promise<Results['derive']> {
    const { results, index } = await this.#open(caller, derivation(params))
    const [secret] = results
    if (secret instanceof Uint8Array) return { secret, index }
    throw new ClavigerError(typeof secret === 'string' ? secret : 'internal')
  }

  async #open<T, R>(
    caller: Caller,
    work: Work<T, R>,
  ): Promise<{ results: (R | ErrorCode)[]; index: number }> {
    if (this.#counted) await this.#counted
    const touched = await confirm(this.#service, caller, work)
    if (this.#counted) await this.#counted
    const { result, alarm } = await open(this.#service, caller, work, this.#counters, touched)
    // The answer does not wait for the log: a canary must take no longer than what does not open.
    if (alarm) void this.#locking.lockDown(caller, alarm)
    return result()
  }

  /**
   * Somebody held the button of the device. Where there is nothing to forget, or it was forgotten, nothing happens.
   * Resolves when it is written.
   */
  async lockDownByHand(): Promise<void> {
    const { state } = this
    if (state !== 'locked' && state !== 'operational') return
    const button = { name: 'button', role: '' }
    await this.#locking.lockDown(button, { what: 'lockdown', why: 'the button of the device was held' })
  }
}
