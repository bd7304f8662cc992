/** What may be told of a key: its public half, which versions open, how often and when each of them did, and its end. */
import type { LegacyPrivateKey } from '../../protocol/envelope/legacy.ts'
import { untilDeletion } from './key-life.ts'
import { LEGACY_VERSION } from './policy/replay.ts'
import type { KeyRow } from './rpc/messages.ts'
import type { Service } from './service.ts'
import { type Key, type KeyVersion, mayOpen } from './unlocked.ts'

/** @param withUse - tells how often versions opened, which is for those who read the log */
export function keyRow(service: Service, key: Key, withUse: boolean): KeyRow {
  const { name, suite, minimum, use, versions } = key
  const { chronicle } = service.recorder
  const { privateKey } = [...versions.values()][0]!
  return {
    name,
    suite,
    minimum,
    use,
    counted: withUse ? Math.floor(chronicle.since / 1000) : 0,
    versions: [...versions.values()].map(version => versionRow(service, key, version, withUse)),
    legacy: privateKey.suite === 'rsa' ? legacyRow(privateKey) : null,
  }
}

function versionRow(
  service: Service,
  key: Key,
  known: KeyVersion,
  withUse: boolean,
): KeyRow['versions'][number] {
  const { version, created, publicKey, retired } = known
  const label = key.suite === 'rsa' ? LEGACY_VERSION : String(version)
  const { count, last } = service.recorder.chronicle.openings(`${key.name}@${label}`)
  return {
    version,
    created,
    publicKey,
    opens: mayOpen(key, known),
    opened: withUse ? { count, last: Math.floor(last / 1000) } : null,
    retired: retired && {
      since: retired.since,
      days: retired.days,
      deleted: service.now() + Math.max(0, Math.ceil(untilDeletion(service, retired) / 1000)),
    },
  }
}

function legacyRow({ bits, form }: LegacyPrivateKey): KeyRow['legacy'] {
  const { padding, label = '', separator, fields, charset = 'utf-8', bound = false } = form
  return { bits, padding, label, separator, fields: [...fields], charset, bound }
}
