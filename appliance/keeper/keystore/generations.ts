/**
 * The generations of a keystore on the disk: which one is current, reading it, and writing the next
 * (docs/formats/keystore.md, "Replacement").
 */

import { damaged, KeystoreError } from './errors.ts'
import { type Header, type KeystoreFile, MAX_FILE_BYTES, openState, parseFile, sealFile } from './format.ts'
import type { FullPlace } from './place.ts'
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
import { NONCE_BYTES } from './slots.ts'
import type { Storage } from './storage.ts'

/** What a new generation may have other than the one before. */
export type HeaderContent = Omit<Header, 'generation'>

/** The files of one keystore, as seen by the process that holds its lock. */
export class Generations {
  readonly #place: FullPlace
  readonly #names: FileNames
  #header: Header
  /** The highest generation that may be on the disk, also after a write that failed half-way. */
  #highest: number

  private constructor(place: FullPlace, header: Header) {
    this.#place = place
    this.#names = fileNames(place.namespace)
    this.#header = header
    this.#highest = header.generation
  }

  /**
   * Writes the first generation.
   *
   * @throws wrong-state if any file of a keystore is there already
   * @throws malformed-request, too-large, storage-failed
   */
  static async create(
    place: FullPlace,
    content: HeaderContent,
    dataKey: Uint8Array,
    state: Uint8Array,
  ): Promise<Generations> {
    const { storage, namespace, random } = place
    const names = fileNames(namespace)
    for (const name of [names.current, names.previous, names.outgoing]) {
      if ((await readIfPresent(storage, name, MAX_FILE_BYTES)) !== null)
        throw new KeystoreError('wrong-state', `there is a keystore in the way: ${name}`)
    }
    const header = { ...content, generation: 1 }
    await createFile(storage, names, sealFile(header, dataKey, state, random(NONCE_BYTES)))
    return new Generations(place, header)
  }

  /**
   * Reads the header of the current generation, and cleans up what a crash left behind.
   *
   * @throws keystore-damaged, leaving every file as it is; the hint names an older generation that is whole
   * @throws wrong-state if there is no keystore
   * @throws storage-failed
   */
  static async load(place: FullPlace): Promise<Generations> {
    const { storage, namespace } = place
    const names = fileNames(namespace)
    const { header } = await readCurrent(storage, names, namespace)
    // A check that generation and epoch are not lower than the audit log has seen belongs here, and nowhere else.
    await settle(storage, names, name => generationOf(storage, name, namespace))
    await attempt(() => storage.unlink(`${namespace}.tries.new`))
    return new Generations(place, header)
  }

  /** Of the generation that was last read or written. Authenticated only by {@link open}. */
  get header(): Header {
    return this.#header
  }

  /**
   * Opens the state of the current file, whose header is taken over: that may be of a write that failed, and that the
   * disk refused to undo.
   *
   * @param dataKey asked for after the file was read, so that a key which was locked away meanwhile is not used
   * @returns the state; the caller zeroes it
   * @throws keystore-damaged if it does not open, or is older than what was read before
   * @throws wrong-state, storage-failed
   */
  async open(dataKey: () => Uint8Array): Promise<Uint8Array> {
    const file = await readCurrent(this.#place.storage, this.#names, this.#place.namespace)
    const { generation } = file.header
    if (generation < this.#header.generation) throw damaged('the file is older than the one that was loaded')
    const state = openState(file, dataKey())
    this.#header = file.header
    this.#highest = Math.max(this.#highest, generation)
    return state
  }

  /**
   * Seals and writes the next generation. The data key is not used after the first pause.
   *
   * @throws storage-failed; the generation before is still there, on the disk and here
   * @throws malformed-request, too-large
   */
  async write(content: HeaderContent, dataKey: Uint8Array, state: Uint8Array): Promise<void> {
    const { storage, random } = this.#place
    const header = { ...content, generation: this.#highest + 1 }
    const bytes = sealFile(header, dataKey, state, random(NONCE_BYTES))
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
