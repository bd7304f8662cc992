/**
 * The keystore of one namespace: a locked file that slots open (docs/formats/keystore.md).
 *
 * The state is opaque bytes that pass through; the class keeps only the header and, while unlocked, the data key.
 * Operations run one after the other, except `lock`, which takes effect at once.
 */

import { checkFactors, withoutDestroyed } from './check.ts'
import { KeystoreError, UnlockError } from './errors.ts'
import { type Argon2Parameters, type Factor, isStretched } from './factors.ts'
import { Generations } from './generations.ts'
import { acquireLock, type ExclusiveLock } from './lock.ts'
import { type FullPlace, type KeystorePlace, withDefaults } from './place.ts'
import { attempt } from './replacement.ts'
import {
  DATA_KEY_BYTES,
  hasPin,
  makeSlot,
  type NewSlot,
  type Slot,
  type SlotSummary,
  summaryOf,
} from './slots.ts'

/** The content of a new keystore. */
export interface NewKeystore {
  /** Encoded by the caller, who zeroes it. */
  state: Uint8Array
  slots: readonly NewSlot[]
  epoch?: number
  public?: ReadonlyMap<string, Uint8Array>
}

/** What changes in the header together with the state. */
export interface HeaderChanges {
  /** Added, or put in the place of the slot of the same id, with no wrong tries. */
  put?: readonly NewSlot[]
  /** Ids of slots to remove; those that are not there are ignored. */
  remove?: readonly string[]
  /** Entries of the public part to put in the place of those of the same name. */
  public?: ReadonlyMap<string, Uint8Array>
}

export class Keystore {
  readonly #place: FullPlace
  readonly #lock: ExclusiveLock
  readonly #generations: Generations
  #dataKey: Uint8Array | undefined
  /** Counts calls of `lock`, so that an unlock that was under way does not undo one. */
  #locks = 0
  #closed = false
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(place: FullPlace, lock: ExclusiveLock, generations: Generations) {
    this.#place = place
    this.#lock = lock
    this.#generations = generations
  }

  /**
   * Makes the first generation. The keystore is unlocked afterwards, and this process holds its lock.
   *
   * @throws wrong-state if the namespace has a keystore already
   * @throws malformed-request, too-large, keystore-busy, storage-failed
   */
  static async create(place: KeystorePlace, content: NewKeystore): Promise<Keystore> {
    const full = withDefaults(place)
    const { storage, namespace, processes, random, floor } = full
    const lock = await acquireLock(storage, namespace, processes, random)
    const dataKey = Uint8Array.from(random(DATA_KEY_BYTES))
    try {
      const slots = content.slots.map(slot => makeSlot(namespace, slot, dataKey, random, floor))
      const header = { namespace, epoch: content.epoch ?? 0, public: new Map(content.public), slots }
      const generations = await Generations.create(full, header, dataKey, content.state)
      const keystore = new Keystore(full, lock, generations)
      keystore.#dataKey = dataKey
      return keystore
    } catch (error) {
      dataKey.fill(0)
      await lock.release()
      throw error
    }
  }

  /**
   * Takes the lock and reads the header; needs no secret.
   *
   * @throws keystore-busy with the pid of the process that has it; else as `Generations.load`
   */
  static async load(place: KeystorePlace): Promise<Keystore> {
    const full = withDefaults(place)
    const lock = await acquireLock(full.storage, full.namespace, full.processes, full.random)
    try {
      return new Keystore(full, lock, await Generations.load(full))
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get generation(): number {
    return this.#generations.header.generation
  }

  get epoch(): number {
    return this.#generations.header.epoch
  }

  /** Readable while locked. Authenticated only once the keystore has been unlocked. */
  get public(): ReadonlyMap<string, Uint8Array> {
    return this.#generations.header.public
  }

  /** Readable while locked. Authenticated only once the keystore has been unlocked. */
  get slots(): SlotSummary[] {
    return this.#generations.header.slots.map(summaryOf)
  }

  get isUnlocked(): boolean {
    return this.#dataKey !== undefined
  }

  /**
   * How what is typed for a slot must be stretched. Needs no secret.
   *
   * @throws unlock-refused if there is no such slot, slot-destroyed, storage-failed
   */
  stretching(slotId: string): Promise<Argon2Parameters> {
    return this.#exclusively(async () => {
      const slot = this.#slot(slotId)
      if (hasPin(slot) && (await this.#place.tries.isDestroyed(slot))) throw new UnlockError('slot-destroyed')
      const { m, t, p, salt } = slot.factors.find(isStretched)!
      return { m, t, p, salt }
    })
  }

  /**
   * Opens the state with the factors of one slot, in the order of {@link slots}.
   *
   * @returns the state; the caller zeroes it
   * @throws unlock-refused if there is no such slot; else as {@link checkFactors}
   * @throws wrong-state if it was locked meanwhile
   * @throws keystore-damaged, storage-failed
   */
  unlock(slotId: string, factors: readonly Factor[]): Promise<Uint8Array> {
    const locks = this.#locks
    return this.#exclusively(async () => {
      const slot = this.#slot(slotId)
      const { namespace, tries } = this.#place
      const dataKey = await checkFactors(namespace, slot, factors, tries)
      let state: Uint8Array | undefined
      try {
        state = await this.#generations.open(() => dataKey)
        this.#replaceKey(dataKey)
        if (this.#locks === locks) await this.#forgetDestroyed(slot, state)
        if (this.#locks !== locks) throw new UnlockError('wrong-state', 'the keystore was locked meanwhile')
        return state
      } catch (error) {
        state?.fill(0)
        if (this.#dataKey === dataKey) this.#replaceKey(undefined)
        dataKey.fill(0)
        throw error
      }
    })
  }

  /**
   * Writes the next generation, with another state and other slots. The data key stays the same, so a copy of an older
   * file still opens with a slot that was removed.
   *
   * @param change gets the state as it is in the file and returns the next one; both are zeroed here
   * @throws what `change` throws
   * @throws storage-failed; the generation before is still there, on disk and in this object
   * @throws wrong-state if locked before the next generation was sealed
   * @throws malformed-request for a slot that is not allowed, and if none would be left
   * @throws too-large, keystore-damaged
   */
  update(
    change: (state: Uint8Array) => Uint8Array,
    { put = [], remove = [], public: publicPart = new Map() }: HeaderChanges = {},
  ): Promise<void> {
    return this.#exclusively(async () => {
      const { namespace, random, floor } = this.#place
      this.#key()
      const state = await this.#generations.open(() => this.#key())
      let next: Uint8Array | undefined
      try {
        const { header } = this.#generations
        const made = put.map(slot => makeSlot(namespace, slot, this.#key(), random, floor))
        const gone = new Set([...remove, ...made.map(({ id }) => id)])
        const slots = [...header.slots.filter(({ id }) => !gone.has(id)), ...made]
        next = change(state)
        await this.#generations.write(
          { ...header, slots, public: new Map([...header.public, ...publicPart]) },
          this.#key(),
          next,
        )
      } finally {
        state.fill(0)
        next?.fill(0)
      }
    })
  }

  /** Forgets the data key, at once. A generation that is already sealed is still written. */
  lock(): void {
    this.#locks += 1
    this.#replaceKey(undefined)
  }

  /** Locks, waits for what is under way, and gives the exclusive lock back. */
  async close(): Promise<void> {
    this.lock()
    const wasClosed = this.#closed
    this.#closed = true
    await this.#tail
    if (!wasClosed) await this.#lock.release()
  }

  /** Removes destroyed slots from the file and their records from the journal. What fails is done at the next unlock. */
  async #forgetDestroyed(used: Slot, state: Uint8Array): Promise<void> {
    const { tries } = this.#place
    const { header } = this.#generations
    await attempt(async () => {
      const slots = await withoutDestroyed(header.slots, used, tries)
      if (slots.length < header.slots.length)
        await this.#generations.write({ ...header, slots }, this.#key(), state)
      await tries.compact(slots.filter(hasPin))
    })
  }

  /** @throws unlock-refused */
  #slot(slotId: string): Slot {
    const slot = this.#generations.header.slots.find(({ id }) => id === slotId)
    if (slot === undefined) throw new UnlockError('unlock-refused')
    return slot
  }

  /** @throws wrong-state while locked */
  #key(): Uint8Array {
    if (this.#dataKey === undefined) throw new KeystoreError('wrong-state', 'the keystore is locked')
    return this.#dataKey
  }

  #replaceKey(dataKey: Uint8Array | undefined): void {
    if (this.#dataKey !== dataKey) this.#dataKey?.fill(0)
    this.#dataKey = dataKey
  }

  #exclusively<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new KeystoreError('wrong-state', 'the keystore is closed'))
    const result = this.#tail.then(operation)
    this.#tail = result.catch(() => {})
    return result
  }
}
