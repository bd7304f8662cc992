/**
 * The vault: the locked file and what was taken out of it, always in step. A change is in memory only once it is
 * durable, and a state is in memory as plain bytes only for the moment between the file and the KeyObjects.
 */

import { ClavigerError } from '../../protocol/api/errors.ts'
import { ROLES, type Role, type State } from '../../protocol/api/routes.ts'
import { KeystoreError } from './keystore/errors.ts'
import type { Argon2Parameters, Factor } from './keystore/factors.ts'
import { type HeaderChanges, Keystore } from './keystore/keystore.ts'
import type { KeystorePlace } from './keystore/place.ts'
import type { NewSlot } from './keystore/slots.ts'
import type { Change } from './registry.ts'
import { decodeState, encodeState, type SealedState, wipeState } from './sealed-state.ts'
import { type Unlocked, unlock } from './unlocked.ts'

/** What stands in the public part of the header, readable while locked. */
export interface PublicPart {
  /** Certificate of the enrolment authority, DER. */
  authority: Uint8Array
  /** Public key of the audit log, SubjectPublicKeyInfo DER. */
  log: Uint8Array
  /** Pin (32 bytes) and role (1) of every enrolled agent: who is who does not change by locking. */
  agents: Uint8Array
  /** Settings of the namespace, CBOR; the defaults where it is missing. */
  settings?: Uint8Array
}

/** Where the vault is. */
export interface VaultPlace extends KeystorePlace {
  /** Makes garbage collection run, so that forgotten KeyObjects are freed, and with that cleansed, at once. */
  collect?: (() => void) | undefined
}

export class Vault {
  readonly #place: VaultPlace
  #keystore: Keystore | undefined
  #unlocked: Unlocked | null = null
  /** Counts calls of `lock`, so that what was under way does not undo one. */
  #locks = 0
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

  /**
   * Refuses a keystore that is older than the log has seen: a copy that was put back, before a change that somebody
   * wants undone.
   *
   * @param least - the highest generation in the log
   */
  expectGeneration(least: number): void {
    if (this.#failure || this.generation >= least) return
    const { namespace, generation } = this
    const seen = `the log has seen generation ${least}; put the newest copy back`
    this.#failure =
      generation === 0
        ? `there is no keystore, but ${seen}, or start with an empty data directory`
        : `the keystore is generation ${generation}, but ${seen}, or start the device with --accept-generation ${namespace}=${generation}, which undoes what came after`
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

  /** Generation of the file; 0 where there is none. */
  get generation(): number {
    return this.#keystore?.generation ?? 0
  }

  /** An entry of the header that is readable while locked. */
  public(name: keyof PublicPart): Uint8Array | undefined {
    return this.#keystore?.public.get(name)
  }

  /** Role of the enrolled agent with this pin; readable while locked. */
  roleOf(pin: Uint8Array): Role | null {
    const agents = this.public('agents') ?? new Uint8Array()
    for (let at = 0; at < agents.length; at += 33)
      if (Buffer.compare(agents.subarray(at, at + 32), pin) === 0) return ROLES[agents[at + 32]!] ?? null
    return null
  }

  /** Makes the keystore. `state` is wiped. */
  async create(slot: NewSlot, publicPart: Omit<PublicPart, 'agents'>, state: SealedState): Promise<void> {
    const locks = this.#locks
    let bytes: Uint8Array | undefined
    try {
      bytes = encodeState(state)
      const unlocked = unlock(this.namespace, state)
      this.#keystore = await Keystore.create(this.#place, {
        state: bytes,
        slots: [slot],
        public: new Map(Object.entries({ ...publicPart, agents: agentsOf(state) })),
      })
      if (this.#locks === locks) this.#unlocked = unlocked
      else this.#keystore.lock()
    } finally {
      bytes?.fill(0)
      wipeState(state)
    }
  }

  /** How what is typed for a slot must be stretched; throws as `Keystore.stretching`. */
  stretching(slotId: string): Promise<Argon2Parameters> {
    return this.#open().stretching(slotId)
  }

  /**
   * Opens the keystore with the factors of one slot. When this throws, it is locked.
   *
   * @throws as `Keystore.unlock`, and `keystore-damaged` for a state of unknown form
   */
  async unlock(slotId: string, factors: readonly Factor[]): Promise<void> {
    const keystore = this.#open()
    const locks = this.#locks
    try {
      const bytes = await keystore.unlock(slotId, factors)
      const unlocked = this.#import(bytes)
      if (this.#locks !== locks) throw new ClavigerError('wrong-state')
      this.#unlocked = unlocked
    } catch (error) {
      this.lock()
      throw error
    }
  }

  /** Takes the keys out of an encoded state, which is zeroed. */
  #import(bytes: Uint8Array): Unlocked {
    let state: SealedState | undefined
    try {
      state = decodeState(bytes)
      return unlock(this.namespace, state)
    } finally {
      bytes.fill(0)
      if (state) wipeState(state)
    }
  }

  /**
   * Makes a change durable, then visible: at the next unlock, if it was locked meanwhile.
   *
   * @throws what the change throws, and as `Keystore.update`
   */
  async update(change: Change, header: HeaderChanges = {}): Promise<void> {
    const locks = this.#locks
    let next: Unlocked | null = null
    const publicPart = new Map(header.public)
    try {
      await this.#open().update(
        bytes => {
          const state = decodeState(bytes)
          try {
            const changed = change(state)
            publicPart.set('agents', agentsOf(changed))
            next = unlock(this.namespace, changed, this.#unlocked)
            return encodeState(changed)
          } finally {
            wipeState(state)
          }
        },
        { ...header, public: publicPart },
      )
      if (this.#locks === locks) this.#unlocked = next
    } finally {
      next = null
      this.collect()
    }
  }

  /** Forgets every key, at once. */
  lock(): void {
    this.#locks += 1
    this.#keystore?.lock()
    this.#unlocked = null
    this.collect()
  }

  /**
   * Frees the KeyObjects that nobody holds any more. They fill the secure heap without weighing on the JavaScript heap, so
   * the collector would not come by itself.
   */
  collect(): void {
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

function agentsOf({ agents }: SealedState): Uint8Array {
  return new Uint8Array(
    Buffer.concat(agents.flatMap(({ pin, role }) => [pin, Uint8Array.of(ROLES.indexOf(role))])),
  )
}
