/**
 * Whether the keys are there: unlocked by somebody who may, locked, forgotten for good until an administrator says otherwise. Forgetting waits
 * for nothing: a change that is under way becomes visible at the next unlock.
 */
import type { Standing } from '../../protocol/api/routes.ts'
import type { Alarmed } from './opening.ts'
import { pinOf } from './recorder.ts'
import type { Caller, Params } from './rpc/messages.ts'
import type { Service } from './service.ts'
import { readSettings } from './settings.ts'
import { liftLockdown, unlockDevice } from './unlocking.ts'

/** What else happens then. */
export interface Told {
  /** Whom the gates may let in is another matter now. */
  changed(): void
  /** The keys are there, and may be used. */
  opened(): void
}

/** See the head of this file. */
export class Locking {
  readonly #service: Service
  readonly #told: Told

  constructor(service: Service, told: Told) {
    this.#service = service
    this.#told = told
  }

  /** @throws ClavigerError with the code of the refusal */
  async unlock(caller: Caller, params: Params<'unlock'>, standing: Standing): Promise<void> {
    const { recorder, vault } = this.#service
    const factor = 'passphrase' in params ? 'passphrase' : 'pin' in params ? 'pin' : 'host-share'
    await this.#try(caller, factor, () => unlockDevice(this.#service, caller, params, standing))
    try {
      const { generation } = vault
      await this.opened()
      await recorder.allowed(caller, 'unlocked', { pin: pinOf(caller), generation })
    } catch (error) {
      this.forget()
      throw error
    }
  }

  /** Lifts a lockdown; the device is locked then. @throws ClavigerError with the code of the refusal */
  async lift(caller: Caller, params: Params<'liftLockdown'>): Promise<void> {
    const { recorder, vault } = this.#service
    await this.#try(caller, 'passphrase', () => liftLockdown(this.#service, caller, params))
    await recorder.allowed(caller, 'unlocked', { pin: pinOf(caller), generation: vault.generation })
    await recorder.allowed(caller, 'liftLockdown')
  }

  /** Forgets every key before it returns; resolves when it is written. */
  lock({ name, role }: Caller): Promise<void> {
    this.forget()
    return this.#service.recorder.told({ agent: name, role, action: 'lock', outcome: 'allowed' })
  }

  /** Forgets every key before it returns; resolves when it is written why. */
  lockDown({ name, role }: Pick<Caller, 'name' | 'role'>, { what, why }: Alarmed): Promise<void> {
    const { recorder, now } = this.#service
    recorder.chronicle.lockDown({ what, when: now(), why })
    this.forget()
    const code = what === 'lockdown' ? {} : { code: what }
    const entry = { agent: name, role, action: 'lockdown', outcome: 'allowed', reason: why, ...code } as const
    return recorder.told(entry)
  }

  /** The keys are there: the log can be signed, and budgets must be known before anything is decided. */
  async opened(): Promise<void> {
    const { recorder, vault } = this.#service
    recorder.log.setSigner(vault.unlocked?.logKey ?? null)
    await this.countBudgets()
    this.#told.opened()
  }

  /** Without the counts nothing may be decided: when they cannot be had, the keys are forgotten. */
  async countBudgets(): Promise<void> {
    const { recorder, vault } = this.#service
    try {
      await recorder.recount(vault.unlocked?.grants ?? [], readSettings(vault).tries)
    } catch (error) {
      this.forget()
      throw error
    }
  }

  /** Forgets every key and tells the gates, before anything else happens. */
  forget(): void {
    const { recorder, tickets, vault, presence } = this.#service
    recorder.log.setSigner(null)
    tickets.forget()
    vault.lock()
    presence.withdraw(vault.namespace)
    this.#told.changed()
  }

  /** Writes a try with a secret before it is checked, so that a power cut gives none back. */
  async #try(caller: Caller, factor: string, attempt: () => Promise<void>): Promise<void> {
    const { recorder } = this.#service
    recorder.mayTry(caller)
    await recorder.allowed(caller, 'unlock', { factor, pin: pinOf(caller) })
    try {
      await attempt()
    } catch (error) {
      await recorder.failed(caller, 'unlock', error)
      throw error
    }
  }
}
