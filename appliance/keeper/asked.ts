/** What an item of a request asks for: which key, which fields, and what would open it. */
import type { Granted } from '../../protocol/api/routes.ts'
import type { OpenItem } from '../../protocol/envelope/field.ts'
import { type LegacyItem, readLegacyText } from '../../protocol/envelope/legacy.ts'
import { keptFields } from '../../protocol/envelope/legacy-payload.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import { countedRecord, LEGACY_VERSION } from './policy/replay.ts'
import { mayOpen, type Unlocked } from './unlocked.ts'

/**
 * An item to decide: as the gate sends it for opening, or with `rewrap` and the key to seal under; empty is the key that it is
 * sealed under.
 */
export type Wanted = [
  ciphertext: string,
  field: string,
  record: string,
  how: Granted,
  option: number | string,
  legacyKey?: string,
]

/** What opens an item: one of them, or nothing where there is no such key. */
export interface Ready {
  open?: OpenItem
  /** Of an imported key. */
  legacy?: LegacyItem
}

/** What an item asks for. */
export interface Asked {
  key: string
  version: string
  /** As which it counts. */
  record: string
  /** All that it would give. */
  fields: readonly string[]
  /** What opens it, if that is there; `null` for a version that opens no more. */
  ready(): Ready | null
}

/** @throws TokenError `bad-token` */
export function readItem(namespace: string, { keys }: Unlocked, item: Wanted): Asked {
  const [ciphertext, field, record, how, , legacyKey] = item
  if (legacyKey === undefined) {
    const token = parseToken(ciphertext)
    const { key, suite, version } = token
    const ready = () => {
      const known = keys.get(key)
      const found = known?.versions.get(version)
      if (!known || !found || known.suite !== suite) return {}
      const { privateKey } = found
      if (privateKey.suite === 'rsa') return {}
      if (!mayOpen(known, found)) return null
      return { open: { privateKey, token, context: { namespace, key, field, record } } }
    }
    return { key, version: `${version}`, record, fields: [field], ready }
  }
  const block = readLegacyText(ciphertext)
  const known = keys.get(legacyKey)
  const [version] = known?.versions.values() ?? []
  const privateKey = version?.privateKey.suite === 'rsa' ? version.privateKey : null
  return {
    key: legacyKey,
    version: LEGACY_VERSION,
    record: countedRecord(LEGACY_VERSION, record),
    fields: how === 'rewrap' && privateKey ? keptFields(privateKey.form) : [field],
    ready: () => {
      if (!known || !version || !privateKey) return {}
      return mayOpen(known, version) ? { legacy: { privateKey, ciphertext: block } } : null
    },
  }
}
