/**
 * Changes in the life of a key, as functions of the sealed state ({@link ./registry.ts}): which versions open, which are to be
 * deleted, and deleting them.
 */
import { type Change, RegistryError, unknownKey } from './registry.ts'
import type { SealedKey, SealedState, SealedVersion } from './sealed-state.ts'

/** One version of a key, or all of them. */
export interface Versions {
  key: string
  /** 0 for all. */
  version: number
}

/** Versions below `version` open no more; a lower one lets them open again. */
export function setMinimum({ key: name, version }: Versions): Change {
  return changeKey(name, key => {
    has(key, version)
    return { ...key, minimum: version }
  })
}

/**
 * Marks versions for deletion. What is marked already keeps its time.
 *
 * @param mark - the entry of the log from which on the days count
 */
export function retire(
  { key: name, version }: Versions,
  mark: NonNullable<SealedVersion['retired']>,
): Change {
  return changeKey(name, key => {
    if (version !== 0) has(key, version)
    if (key.versions.length > 1 && version === key.versions.at(-1)!.version)
      throw new RegistryError('key-in-use', `version ${version} is the one that ${name} is sealed under`, {
        hint: 'rotate the key first, or retire all of it',
      })
    const isMeant = (other: SealedVersion) => version === 0 || other.version === version
    const versions = key.versions.map(other =>
      isMeant(other) && !other.retired ? { ...other, retired: mark } : other,
    )
    return { ...key, versions }
  })
}

/** Takes the marks back, while the versions are there. */
export function undelete({ key: name, version }: Versions): Change {
  return changeKey(name, key => {
    if (version !== 0) has(key, version)
    const versions = key.versions.map(other => {
      if (version !== 0 && other.version !== version) return other
      const { retired: _, ...rest } = other
      return rest
    })
    return { ...key, versions }
  })
}

/** Deletes versions for good, and with the last one the key and its grants. */
export function purge(isDue: (key: string, version: SealedVersion) => boolean): Change {
  return state => {
    const keys = state.keys.flatMap(key => {
      const versions = key.versions.filter(version => !isDue(key.name, version))
      return versions.length > 0 ? [{ ...key, versions }] : []
    })
    const isThere = (name: string) => keys.some(key => key.name === name)
    const grants = state.grants.filter(({ key, target }) => isThere(key) && (!target || isThere(target)))
    return { ...state, keys, grants }
  }
}

function changeKey(name: string, change: (key: SealedKey) => SealedKey): Change {
  return (state: SealedState) => {
    const key = state.keys.find(key => key.name === name)
    if (!key) throw unknownKey(name)
    const changed = change(key)
    return { ...state, keys: state.keys.map(other => (other === key ? changed : other)) }
  }
}

function has({ name, versions }: SealedKey, version: number): void {
  if (!versions.some(other => other.version === version))
    throw new RegistryError('unknown-key', `there is no version ${version} of ${name}`)
}
