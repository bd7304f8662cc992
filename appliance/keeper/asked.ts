/** What an item of a request asks for: which key, which fields, and what would open it. */
import type { ErrorCode } from '../../protocol/api/errors.ts'
import type { ForeignForm, Granted } from '../../protocol/api/routes.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { ContextError } from '../../protocol/envelope/errors.ts'
import type { OpenItem } from '../../protocol/envelope/field.ts'
import { parseKeyId } from '../../protocol/envelope/key-id.ts'
import { type LegacyItem, readLegacyText } from '../../protocol/envelope/legacy.ts'
import { keptFields } from '../../protocol/envelope/legacy-payload.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import { type Opener, opensFields, readForeign } from './foreign.ts'
import { countedRecord, LEGACY_VERSION } from './policy/replay.ts'
import { mayOpen, type Unlocked } from './unlocked.ts'

/**
 * An item to decide: as the gate sends it for opening, or with `rewrap` and the key to seal under; empty is the key that it is
 * sealed under. The last is the key of what does not name it, `orders` or `orders@3`.
 */
export type Wanted = [
  ciphertext: string,
  field: string,
  record: string,
  how: Granted,
  option: number | string,
  key?: string,
]

/** What opens an item: one of them, or nothing where there is no such key. */
export interface Ready {
  open?: OpenItem
  /** Of an imported key. */
  legacy?: LegacyItem
  /** Of a form that is not ours. */
  foreign?: Opener
}

/** What an item asks for. */
export interface Asked {
  key: string
  version: string
  /** As which it counts. */
  record: string
  /** All that it would give. */
  fields: readonly string[]
  /** Where it is neither a token nor of an imported key's own form. */
  form?: ForeignForm
  /** What opens it, if that is there; the code of the refusal for what the key is not for, or a version that opens no more. */
  ready(): Ready | ErrorCode
}

/** @throws TokenError `bad-token`; ContextError `bad-context`; KeyError `bad-key` */
export function readItem(namespace: string, unlocked: Unlocked, item: Wanted): Asked {
  const foreign = readForeign(namespace, unlocked, item)
  if (foreign) return foreign
  return item[5] === undefined ? readToken(namespace, unlocked, item) : readLegacy(namespace, unlocked, item)
}

function readToken(namespace: string, { keys }: Unlocked, [ciphertext, field, record]: Wanted): Asked {
  const token = parseToken(ciphertext)
  const { key, suite, version } = token
  const ready = () => {
    const known = keys.get(key)
    const found = known?.versions.get(version)
    if (!known || !found || known.suite !== suite) return {}
    const { privateKey } = found
    if (privateKey.suite === 'rsa') return {}
    if (!opensFields(known.use)) return 'wrong-use'
    if (!mayOpen(known, found)) return 'key-retired'
    return { open: { privateKey, token, context: { namespace, key, field, record } } }
  }
  return { key, version: `${version}`, record, fields: [field], ready }
}

function readLegacy(namespace: string, { keys }: Unlocked, item: Wanted): Asked {
  const [ciphertext, field, record, how, , keyRef = ''] = item
  const key = parseKeyId(keyRef)?.key ?? keyRef
  const block = readLegacyText(ciphertext)
  const known = keys.get(key)
  const [version] = known?.versions.values() ?? []
  const privateKey = version?.privateKey.suite === 'rsa' ? version.privateKey : null
  if (how === 'rewrap' && field !== '')
    throw new ContextError('what an imported key opens is split by its own rule')
  const fields = how === 'rewrap' && privateKey ? keptFields(privateKey.form) : [field]
  return {
    key,
    version: LEGACY_VERSION,
    record: countedRecord(LEGACY_VERSION, record),
    fields,
    ready: () => {
      if (!known || !version || !privateKey) return {}
      if (!mayOpen(known, version)) return 'key-retired'
      const info = privateKey.form.bound ? contextInfo({ namespace, key, field: fields[0]!, record }) : null
      return { legacy: { privateKey, ciphertext: block, ...(info ? { info } : {}) } }
    },
  }
}
