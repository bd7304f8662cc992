/**
 * Replacing the keystore file so that at every instant a file that opens has its name
 * (docs/formats/keystore.md, "Replacement").
 *
 * write `.new`, fsync · link the current file as `.outgoing`, fsync the directory · rename `.new` over the current one,
 * fsync the directory: this is the moment of success · rename `.outgoing` to `.previous`.
 */

import { KeystoreError } from './errors.ts'
import { hasCode, type Storage, unlinkIfPresent } from './storage.ts'

/** The files that belong to one namespace. */
export interface FileNames {
  /** the keystore */
  current: string
  /** the generation before it, kept until the next success */
  previous: string
  /** the next generation, not yet complete */
  next: string
  /** the current generation on its way to `previous` */
  outgoing: string
}

/** @param namespace checked by `assertNamespace`, so that no two namespaces share a name */
export function fileNames(namespace: string): FileNames {
  return {
    current: namespace,
    previous: `${namespace}.previous`,
    next: `${namespace}.new`,
    outgoing: `${namespace}.outgoing`,
  }
}

/** Writing failed; says whether the new file may already be what a reader finds after a power cut. */
export class ReplaceError extends KeystoreError {
  readonly mayHaveReplaced: boolean

  constructor(cause: unknown, mayHaveReplaced: boolean) {
    super('storage-failed', 'the keystore could not be written', { cause })
    this.mayHaveReplaced = mayHaveReplaced
  }
}

/**
 * Writes the first generation. Never replaces a file: the name is taken by link(2), which cannot.
 *
 * @throws storage-failed (as {@link ReplaceError})
 */
export async function createFile(storage: Storage, names: FileNames, bytes: Uint8Array): Promise<void> {
  let linked = false
  try {
    await unlinkIfPresent(storage, names.next)
    await storage.writeNew(names.next, bytes)
    await storage.syncFile(names.next)
    await storage.link(names.next, names.current)
    linked = true
    await storage.syncDirectory()
  } catch (cause) {
    if (linked) await attempt(() => storage.unlink(names.current))
    await attempt(() => storage.unlink(names.next))
    throw new ReplaceError(cause, linked)
  }
  await attempt(() => storage.unlink(names.next))
}

/**
 * Replaces the current generation, which stays as `previous`.
 *
 * @throws storage-failed (as {@link ReplaceError}): the old file has its name again wherever the disk still obeys
 */
export async function replaceFile(storage: Storage, names: FileNames, bytes: Uint8Array): Promise<void> {
  let replacing = false
  try {
    await unlinkIfPresent(storage, names.next)
    await unlinkIfPresent(storage, names.outgoing)
    await storage.writeNew(names.next, bytes)
    await storage.syncFile(names.next)
    await storage.link(names.current, names.outgoing)
    await storage.syncDirectory()
    replacing = true
    await storage.rename(names.next, names.current)
    await storage.syncDirectory()
  } catch (cause) {
    // If nothing was replaced both names are one file, and rename(2) of a file onto itself does nothing.
    const restored = !replacing || (await attempt(() => storage.rename(names.outgoing, names.current)))
    await attempt(() => storage.unlink(names.next))
    if (restored) await attempt(() => unlinkIfPresent(storage, names.outgoing))
    await attempt(() => storage.syncDirectory())
    throw new ReplaceError(cause, replacing)
  }
  // The change is durable: a failure to tidy up is mended by `settle` at the next load.
  await attempt(() => storage.rename(names.outgoing, names.previous))
}

/**
 * Finishes or undoes what a crash left beside a current file that is whole.
 *
 * @param generationOf the generation of a file, `null` if it is missing or damaged
 */
export async function settle(
  storage: Storage,
  names: FileNames,
  generationOf: (name: string) => Promise<number | null>,
): Promise<void> {
  await attempt(() => unlinkIfPresent(storage, names.next))
  const [outgoing, current] = [await generationOf(names.outgoing), await generationOf(names.current)]
  if (current === null) return
  if (outgoing !== null && outgoing < current) {
    await attempt(() => storage.rename(names.outgoing, names.previous))
  } else {
    await attempt(() => unlinkIfPresent(storage, names.outgoing))
  }
}

/** Replaces a file of which no previous version is kept. Errors are those of the storage. */
export async function replaceSmallFile(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  const next = `${name}.new`
  await unlinkIfPresent(storage, next)
  await storage.writeNew(next, bytes)
  await storage.syncFile(next)
  await storage.rename(next, name)
  await storage.syncDirectory()
}

/** True if it was done. For steps after which the state on disk is right either way. */
export async function attempt(step: () => Promise<unknown>): Promise<boolean> {
  try {
    await step()
    return true
  } catch {
    return false
  }
}

/** The file, or `null` if it is missing. @throws storage-failed */
export async function readIfPresent(
  storage: Storage,
  name: string,
  maxBytes: number,
): Promise<Uint8Array | null> {
  try {
    return await storage.read(name, maxBytes)
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return null
    if (hasCode(cause, 'EFBIG'))
      throw new KeystoreError('keystore-damaged', `${name} is too large`, { cause })
    throw new KeystoreError('storage-failed', `${name} cannot be read`, { cause })
  }
}
