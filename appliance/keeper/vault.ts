/**
 * The vault: the locked file and what was taken out of it, always in step. A change is in memory only once it is
 * durable, and a state is in memory as plain bytes only for the moment between the file and the KeyObjects.
 */

import { ClavigerError } from '../../protocol/api/errors.ts'
import type { State } from '../../protocol/api/routes.ts'
import { KeystoreError } from './keystore/errors.ts'
import type { Argon2Cost, Factor } from './keystore/factors.ts'
import { Keystore } from './keystore/keystore.ts'
import type { NewSlot } from './keystore/slots.ts'
import type { Storage } from './keystore/storage.ts'
import type { Change } from './registry.ts'
import { decodeState, encodeState, type SealedState, wipeState } from './sealed-state.ts'
import { type Unlocked, unlock } from './unlocked.ts'

/** Name of the authority's certificate in the public part of the header. */
const AUTHORITY = 'authority'

/** Where the vault is. */
export interface VaultPlace {
  storage: Storage
  namespace: string
  /** Cost of new passphrase and PIN slots; the keystore's default where it is missing. */
  cost?: Argon2Cost | undefined
  /** Makes garbage collection run, so that forgotten KeyObjects are freed, and with that cleansed, at once. */
  collect?: (() => void) | undefined
}

export class Vault {
  readonly #place: VaultPlace
  #keystore: Keystore | undefined
  #unlocked: Unlocked | null = null
  /** Why the keystore cannot be read; empty when it can, or when there is none. */
  #failure = ''

  private constructor(place: VaultPlace) {
    this.#place = place
  }

  /**
   * Reads the header of the keystore, if there is one.
   *
   * @throws KeystoreError `keystore-busy`, naming the process that has it; a damaged file is the state `failed`
   */
  static async load(place: VaultPlace): Promise<Vault> {
    const vault = new Vault(place)
    try {
      vault.#keystore = await Keystore.load(place)
    } catch (error) {
      if (!(error instanceof KeystoreError) || error.code === 'keystore-busy') throw error
      if (error.code !== 'wrong-state')
        vault.#failure = [error.message, error.hint].filter(Boolean).join('; ')
    }
    return vault
  }

  get namespace(): string {
    return this.#place.namespace
  }

  get state(): State {
    if (this.#failure) return 'failed'
    if (!this.#keystore) return 'unprovisioned'
    return this.#unlocked ? 'operational' : 'locked'
  }

  get failure(): string {
    return this.#failure
  }

  /** Keys and registry while operational, else `null`. */
  get unlocked(): Unlocked | null {
    return this.#unlocked
  }

  /** Certificate of the enrolment authority, DER; readable while locked. */
  get authority(): Uint8Array | undefined {
    return this.#keystore?.public.get(AUTHORITY)
  }

  /** Makes the keystore. `state` is wiped. */
  async create(slot: NewSlot, authority: Uint8Array, state: SealedState): Promise<void> {
    const bytes = encodeState(state)
    try {
      const unlocked = unlock(this.namespace, state)
      const slots = [this.#priced(slot)]
      this.#keystore = await Keystore.create(this.#place, {
        state: bytes,
        slots,
        public: new Map([[AUTHORITY, authority]]),
      })
      this.#unlocked = unlocked
    } finally {
      bytes.fill(0)
      wipeState(state)
    }
  }

  #priced(slot: NewSlot): NewSlot {
    const { cost } = this.#place
    return cost ? { ...slot, cost } : slot
  }

  /** Opens the keystore with the factors of one slot; throws as `Keystore.unlock`. */
  async unlock(slotId: string, factors: Factor[]): Promise<void> {
    const bytes = await this.#open().unlock(slotId, factors)
    let state: SealedState | undefined
    try {
      state = decodeState(bytes)
      this.#unlocked = unlock(this.namespace, state)
    } finally {
      bytes.fill(0)
      if (state) wipeState(state)
      if (!this.#unlocked) this.#keystore?.lock()
    }
  }

  /**
   * Makes a change durable, then visible.
   *
   * @throws what the change throws, `wrong-state` when locked meanwhile, and as `Keystore.save`
   */
  async update(change: Change, slots: { put?: NewSlot[]; remove?: string[] } = {}): Promise<void> {
    let next: Unlocked | undefined
    const put = (slots.put ?? []).map(slot => this.#priced(slot))
    await this.#open().update(
      bytes => {
        const state = decodeState(bytes)
        try {
          const changed = change(state)
          next = unlock(this.namespace, changed)
          return encodeState(changed)
        } finally {
          wipeState(state)
        }
      },
      { ...slots, put },
    )
    if (this.#unlocked && next) this.#unlocked = next
  }

  /** Forgets every key. */
  lock(): void {
    this.#keystore?.lock()
    this.#unlocked = null
    this.#place.collect?.()
  }

  async close(): Promise<void> {
    this.lock()
    await this.#keystore?.close()
  }

  #open(): Keystore {
    if (!this.#keystore) throw new ClavigerError('wrong-state')
    return this.#keystore
  }
}
