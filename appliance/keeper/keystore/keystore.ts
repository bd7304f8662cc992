/**
 * The keystore of one namespace: a locked file that slots open (docs/formats/keystore.md).
 *
 * The state is opaque bytes that pass through; the class keeps only the header and, while unlocked, the data key.
 * Operations run one after the other, except `lock`, which takes effect at once.
 */

import { randomBytes } from 'node:crypto'
import { damaged, KeystoreError, malformed, UnlockError } from './errors.ts'
import type { Factor, FactorType } from './factors.ts'
import {
  assertNamespace,
  type Header,
  type KeystoreFile,
  MAX_FILE_BYTES,
  openState,
  parseFile,
  sealFile,
} from './format.ts'
import { acquireLock, type ExclusiveLock, linuxProcesses, type ProcessTable } from './lock.ts'
import {
  attempt,
  createFile,
  type FileNames,
  fileNames,
  ReplaceError,
  readIfPresent,
  replaceFile,
  settle,
} from './replacement.ts'
import {
  DATA_KEY_BYTES,
  hasPin,
  makeSlot,
  type NewSlot,
  NONCE_BYTES,
  normaliseAll,
  openSlot,
  type RandomBytes,
  type Slot,
  type SlotKind,
} from './slots.ts'
import type { Storage } from './storage.ts'
import { journalTries, type TryCounter } from './tries.ts'

/** Where a keystore is and what it uses of the world. */
export interface KeystorePlace {
  /** The directory of the keystore files, of which several namespaces may be in one. */
  storage: Storage
  namespace: string
  /** Default: the process table of Linux. */
  processes?: ProcessTable
  /** Default: the system's random generator. */
  random?: RandomBytes
  /** Default: a journal beside the keystore. */
  tries?: TryCounter
}

/** The content of a new keystore. */
export interface NewKeystore {
  /** Encoded by the caller, who zeroes it. */
  state: Uint8Array
  slots: NewSlot[]
  epoch?: number
  public?: ReadonlyMap<string, Uint8Array>
}

/** Header fields that a save may change. */
export type HeaderChange = Partial<Pick<Header, 'epoch' | 'public'>>

/** What may be told about a slot to anyone who can read the file. */
export interface SlotSummary {
  id: string
  kind: SlotKind
  factors: FactorType[]
}

export class Keystore {
  readonly #place: Required<KeystorePlace>
  readonly #names: FileNames
  readonly #lock: ExclusiveLock
  #header: Header
  /** The highest generation that may be on the disk, also after a write that failed half-way. */
  #highest: number
  #dataKey: Uint8Array | undefined
  /** Counts calls of `lock`, so that an unlock that was under way does not undo one. */
  #locks = 0
  #closed = false
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(place: Required<KeystorePlace>, lock: ExclusiveLock, header: Header) {
    this.#place = place
    this.#names = fileNames(place.namespace)
    this.#lock = lock
    this.#header = header
    this.#highest = header.generation
  }

  /**
   * Makes the first generation. The keystore is unlocked afterwards, and this process holds its lock.
   *
   * @throws wrong-state if the namespace has a keystore already
   * @throws malformed-request, too-large, keystore-busy, storage-failed
   */
  static async create(place: KeystorePlace, content: NewKeystore): Promise<Keystore> {
    const full = withDefaults(place)
    const { storage, namespace, processes, random } = full
    const names = fileNames(namespace)
    const ids = content.slots.map(slot => slot.id)
    if (ids.length === 0 || new Set(ids).size !== ids.length)
      throw malformed('a keystore needs slots of different ids')
    const lock = await acquireLock(storage, namespace, processes, random)
    const dataKey = Uint8Array.from(random(DATA_KEY_BYTES))
    try {
      for (const name of [names.current, names.previous, names.outgoing]) {
        if ((await readIfPresent(storage, name, MAX_FILE_BYTES)) !== null) {
          throw new KeystoreError('wrong-state', `there is a keystore in the way: ${name}`)
        }
      }
      const slots: Slot[] = []
      for (const slot of content.slots) slots.push(await makeSlot(namespace, slot, () => dataKey, random))
      const { epoch = 0, public: publicValues = new Map() } = content
      const header = { namespace, generation: 1, epoch, public: new Map(publicValues), slots }
      await createFile(storage, names, sealFile(header, dataKey, content.state, random(NONCE_BYTES)))
      const keystore = new Keystore(full, lock, header)
      keystore.#dataKey = dataKey
      return keystore
    } catch (error) {
      dataKey.fill(0)
      await lock.release()
      throw error
    }
  }

  /**
   * Takes the lock and reads the header; needs no secret. Cleans up what a crash left behind.
   *
   * @throws keystore-busy with the pid of the process that has it
   * @throws keystore-damaged, leaving every file as it is; the hint names an older generation that is whole
   * @throws wrong-state if the namespace has no keystore
   * @throws storage-failed
   */
  static async load(place: KeystorePlace): Promise<Keystore> {
    const full = withDefaults(place)
    const { storage, namespace, processes, random } = full
    const names = fileNames(namespace)
    const lock = await acquireLock(storage, namespace, processes, random)
    try {
      const { header } = await readCurrent(storage, names, namespace)
      // A check that generation and epoch are not lower than the audit log has seen belongs here, and nowhere else.
      await settle(storage, names, name => generationOf(storage, name, namespace))
      await attempt(() => storage.unlink(`${namespace}.tries.new`))
      return new Keystore(full, lock, header)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get namespace(): string {
    return this.#header.namespace
  }

  get generation(): number {
    return this.#header.generation
  }

  get epoch(): number {
    return this.#header.epoch
  }

  /** Readable while locked. Authenticated only once the keystore has been unlocked. */
  get public(): ReadonlyMap<string, Uint8Array> {
    return this.#header.public
  }

  /** Readable while locked. Authenticated only once the keystore has been unlocked. */
  get slots(): SlotSummary[] {
    return this.#header.slots.map(({ id, kind, factors }) => ({
      id,
      kind,
      factors: factors.map(f => f.type),
    }))
  }

  get isUnlocked(): boolean {
    return this.#dataKey !== undefined
  }

  /**
   * Opens the state with the factors of one slot, in the order of {@link slots}.
   *
   * @returns the state; the caller zeroes it
   * @throws unlock-refused if any factor is wrong, or the slot or its list of factors is another
   * @throws slot-destroyed after {@link MAX_TRIES} wrong tries of a slot with a PIN
   * @throws malformed-request for a factor that can be no factor; this is not counted as a try
   * @throws keystore-damaged, storage-failed, wrong-state
   */
  unlock(slotId: string, factors: Factor[]): Promise<Uint8Array> {
    const locks = this.#locks
    return this.#exclusively(async () => {
      const { storage, namespace } = this.#place
      const slot = this.#header.slots.find(({ id }) => id === slotId)
      if (slot === undefined) throw new UnlockError('unlock-refused')
      const expected = slot.factors.map(factor => factor.type).join(', ')
      if (factors.map(factor => factor.type).join(', ') !== expected) {
        throw new UnlockError('unlock-refused', undefined, {
          hint: `this slot takes ${expected}, in this order`,
        })
      }
      const secrets = normaliseAll(factors)
      let dataKey: Uint8Array | undefined
      try {
        dataKey = await this.#check(slot, secrets)
        const file = await readCurrent(storage, this.#names, namespace)
        if (file.header.generation < this.generation)
          throw damaged('the file is older than the one that was loaded')
        const state = openState(file, dataKey)
        if (this.#locks !== locks) {
          state.fill(0)
          throw new UnlockError('wrong-state', 'the keystore was locked meanwhile')
        }
        this.#dataKey?.fill(0)
        this.#dataKey = dataKey
        dataKey = undefined
        this.#header = file.header
        this.#highest = Math.max(this.#highest, file.header.generation)
        await this.#forgetDestroyed(slot, state)
        return state
      } finally {
        dataKey?.fill(0)
        for (const secret of secrets) secret.fill(0)
      }
    })
  }

  /**
   * Writes a new state as the next generation.
   *
   * @param state copied nowhere; the caller zeroes it
   * @throws storage-failed; the old generation is still there, on disk and in this object
   * @throws wrong-state while locked, too-large, malformed-request
   */
  save(state: Uint8Array, change: HeaderChange = {}): Promise<void> {
    return this.#exclusively(() => this.#write({ ...this.#header, ...change }, state))
  }

  /**
   * Changes state and slots together, in one generation.
   *
   * @param change gets the state as it is in the file and returns the next one; both are zeroed here
   * @param slots `put` adds a slot or takes the place of the one of the same id; `remove` ignores ids that are not there
   * @throws what `change` throws, and as {@link save}
   */
  update(
    change: (state: Uint8Array) => Uint8Array,
    slots: { put?: readonly NewSlot[]; remove?: readonly string[] } = {},
  ): Promise<void> {
    return this.#exclusively(async () => {
      const { storage, namespace } = this.#place
      const { put = [], remove = [] } = slots
      this.#key()
      const made = await Promise.all(put.map(request => this.#make(request)))
      const gone = new Set([...remove, ...made.map(({ id }) => id)])
      const file = await readCurrent(storage, this.#names, namespace)
      if (file.header.generation !== this.#header.generation) {
        throw new KeystoreError('storage-failed', 'an earlier write left another generation on the disk')
      }
      const state = openState(file, this.#key())
      let next: Uint8Array | undefined
      try {
        next = change(state)
        const kept = this.#header.slots.filter(({ id }) => !gone.has(id))
        await this.#write({ ...this.#header, slots: [...kept, ...made] }, next)
      } finally {
        state.fill(0)
        next?.fill(0)
      }
    })
  }

  /** Adds a way to unlock. @throws malformed-request if the id is taken; else as {@link save} */
  addSlot(request: NewSlot): Promise<void> {
    return this.#changeSlots(async slots => {
      if (slots.some(({ id }) => id === request.id)) throw malformed('a slot of this id exists')
      return [...slots, await this.#make(request)]
    })
  }

  /**
   * Removes a way to unlock. The data key stays the same, so a copy of an older file still opens with the removed slot.
   *
   * @throws unknown-name, malformed-request for the last slot; else as {@link save}
   */
  removeSlot(id: string): Promise<void> {
    return this.#changeSlots(async slots => {
      const rest = slots.filter(slot => slot.id !== id)
      if (rest.length === slots.length) throw new KeystoreError('unknown-name', 'there is no slot of this id')
      if (rest.length === 0) throw malformed('the last slot cannot be removed')
      return rest
    })
  }

  /** Puts a slot in the place of the one of the same id, with no wrong tries. @throws unknown-name; else as {@link save} */
  replaceSlot(request: NewSlot): Promise<void> {
    return this.#changeSlots(async slots => {
      const at = slots.findIndex(({ id }) => id === request.id)
      if (at < 0) throw new KeystoreError('unknown-name', 'there is no slot of this id')
      return slots.with(at, await this.#make(request))
    })
  }

  /** Forgets the data key, at once: what is under way and needs the key fails with wrong-state. */
  lock(): void {
    this.#locks += 1
    this.#dataKey?.fill(0)
    this.#dataKey = undefined
  }

  /** Locks, waits for what is under way, and gives the exclusive lock back. */
  async close(): Promise<void> {
    this.lock()
    const wasClosed = this.#closed
    this.#closed = true
    await this.#tail
    if (!wasClosed) await this.#lock.release()
  }

  /** The data key of a slot whose factors are right. */
  async #check(slot: Slot, secrets: Uint8Array[]): Promise<Uint8Array> {
    const { namespace, tries } = this.#place
    if (!hasPin(slot)) {
      const dataKey = await openSlot(namespace, slot, secrets)
      if (dataKey === null) throw new UnlockError('unlock-refused')
      return dataKey
    }
    const left = await tries.begin(slot)
    const dataKey = await openSlot(namespace, slot, secrets)
    if (dataKey === null) {
      if (left === 0) await attempt(() => tries.destroy(slot))
      const hint = left === 0 ? 'no tries are left: the slot is destroyed' : `${left} tries are left`
      throw new UnlockError('unlock-refused', undefined, { hint })
    }
    try {
      await tries.succeed(slot)
      return dataKey
    } catch (error) {
      dataKey.fill(0)
      throw error
    }
  }

  /** Removes destroyed slots from the file and their records from the journal. What fails is done at the next unlock. */
  async #forgetDestroyed(used: Slot, state: Uint8Array): Promise<void> {
    const { tries } = this.#place
    await attempt(async () => {
      const destroyed = new Set<Slot>()
      for (const slot of this.#header.slots) {
        if (hasPin(slot) && slot.id !== used.id && (await tries.isDestroyed(slot))) destroyed.add(slot)
      }
      const slots = this.#header.slots.filter(slot => !destroyed.has(slot))
      if (destroyed.size > 0) await this.#write({ ...this.#header, slots }, state)
      await tries.compact(slots.filter(hasPin))
    })
  }

  #make(request: NewSlot): Promise<Slot> {
    const { namespace, random } = this.#place
    return makeSlot(namespace, request, () => this.#key(), random)
  }

  #changeSlots(change: (slots: readonly Slot[]) => Promise<readonly Slot[]>): Promise<void> {
    return this.#exclusively(async () => {
      const { storage, namespace } = this.#place
      this.#key()
      const slots = await change(this.#header.slots)
      const file = await readCurrent(storage, this.#names, namespace)
      if (file.header.generation !== this.#header.generation) {
        throw new KeystoreError('storage-failed', 'an earlier write left another generation on the disk')
      }
      const state = openState(file, this.#key())
      try {
        await this.#write({ ...this.#header, slots }, state)
      } finally {
        state.fill(0)
      }
    })
  }

  /** Seals and writes the next generation. The key is asked for and used without a pause in between. */
  async #write(content: Header, state: Uint8Array): Promise<void> {
    const { storage, random } = this.#place
    const header = { ...content, public: new Map(content.public), generation: this.#highest + 1 }
    const bytes = sealFile(header, this.#key(), state, random(NONCE_BYTES))
    try {
      await replaceFile(storage, this.#names, bytes)
    } catch (error) {
      // Two different files must never bear one generation.
      if (error instanceof ReplaceError && error.mayHaveReplaced) this.#highest = header.generation
      throw error
    }
    this.#header = header
    this.#highest = header.generation
  }

  /** @throws wrong-state while locked */
  #key(): Uint8Array {
    if (this.#dataKey === undefined) throw new KeystoreError('wrong-state', 'the keystore is locked')
    return this.#dataKey
  }

  #exclusively<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new KeystoreError('wrong-state', 'the keystore is closed'))
    const result = this.#tail.then(operation)
    this.#tail = result.catch(() => {})
    return result
  }
}

function withDefaults(place: KeystorePlace): Required<KeystorePlace> {
  assertNamespace(place.namespace)
  const { storage, namespace } = place
  return {
    processes: linuxProcesses(),
    random: randomBytes,
    tries: journalTries(storage, namespace),
    ...place,
  }
}

/** The current file, of the right namespace and in the right shape. */
async function readCurrent(storage: Storage, names: FileNames, namespace: string): Promise<KeystoreFile> {
  try {
    const bytes = await readIfPresent(storage, names.current, MAX_FILE_BYTES)
    if (bytes === null) throw new KeystoreError('wrong-state', 'there is no keystore')
    return parseOf(namespace, bytes)
  } catch (error) {
    if (!(error instanceof KeystoreError) || error.code === 'storage-failed') throw error
    const whole: { name: string; generation: number }[] = []
    for (const name of [names.outgoing, names.previous]) {
      const generation = await generationOf(storage, name, namespace)
      if (generation !== null) whole.push({ name, generation })
    }
    const [newest] = whole.sort((a, b) => b.generation - a.generation)
    if (newest === undefined) throw error
    const hint = `generation ${newest.generation} is whole in ${newest.name}; going back to it undoes what came after`
    throw new KeystoreError('keystore-damaged', error.message, { cause: error, hint })
  }
}

function parseOf(namespace: string, bytes: Uint8Array): KeystoreFile {
  const file = parseFile(bytes)
  if (file.header.namespace !== namespace) throw damaged('the keystore is of another namespace')
  return file
}

async function generationOf(storage: Storage, name: string, namespace: string): Promise<number | null> {
  try {
    const bytes = await readIfPresent(storage, name, MAX_FILE_BYTES)
    return bytes === null ? null : parseOf(namespace, bytes).header.generation
  } catch {
    return null
  }
}
