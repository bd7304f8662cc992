/** Routes about keys. Only public halves pass here; a private key that comes in is sealed to the key process. */

import { ClavigerError } from '../../../protocol/api/errors.ts'
import { RETIRE_DAYS } from '../../../protocol/api/routes.ts'
import type {
  CanaryBody,
  CreateKeyBody,
  ImportKeyBody,
  KeyInfo,
  KeySet,
  MinimumBody,
  RetireBody,
  UndeleteBody,
} from '../../../protocol/api/schemas.ts'
import { fromBase64url, toBase64url } from '../../../protocol/bytes.ts'
import { type EncryptionJwk, jwkOf, rsaJwkOf } from '../../../protocol/envelope/jwk.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import type { KeyRow } from '../../keeper/rpc/messages.ts'
import type { Gate } from '../app.ts'

export function keyRoutes({ keeper, mount }: Gate): void {
  mount('listKeys', async (_request, caller) => {
    const rows = await keeper.call('listKeys', caller, {})
    return { keys: rows.map(keyOf) }
  })
  mount('keySet', async (_request, caller) => keySetOf(await keeper.call('keySet', caller, {})))
  mount('showKey', async (request, caller) =>
    keyOf(await keeper.call('showKey', caller, request.params as { key: string })),
  )
  mount('createKey', async (request, caller) =>
    keyOf(await keeper.call('createKey', caller, request.body as CreateKeyBody)),
  )
  mount('rotateKey', async (request, caller) =>
    keyOf(await keeper.call('rotateKey', caller, request.params as { key: string })),
  )
  mount('setMinimum', async (request, caller) => {
    const { key } = request.params as { key: string }
    const { version } = request.body as MinimumBody
    return keyOf(await keeper.call('setMinimum', caller, { key, version }))
  })
  mount('retireKey', async (request, caller) => {
    const { key } = request.params as { key: string }
    const { version = 0, days = RETIRE_DAYS } = request.body as RetireBody
    return keyOf(await keeper.call('retireKey', caller, { key, version, days }))
  })
  mount('undeleteKey', async (request, caller) => {
    const { key } = request.params as { key: string }
    const { version = 0 } = request.body as UndeleteBody
    return keyOf(await keeper.call('undeleteKey', caller, { key, version }))
  })
  mount('importTicket', async (_request, caller) => {
    const { publicKey, signature } = await keeper.call('importTicket', caller, {})
    return { publicKey: toBase64url(publicKey), signature: toBase64url(signature) }
  })
  mount('importKey', async (request, caller) => {
    const { sealed, label = '', charset = 'utf-8', bound = false, ...form } = request.body as ImportKeyBody
    const bytes = fromBase64url(sealed)
    if (!bytes) throw new ClavigerError('bad-key', 'the sealed key is not base64url')
    return keyOf(await keeper.call('importKey', caller, { ...form, label, charset, bound, sealed: bytes }))
  })
  mount('makeCanary', (request, caller) => {
    const { key } = request.params as { key: string }
    return keeper.call('makeCanary', caller, { key, ...(request.body as CanaryBody) })
  })
}

function keyOf({ suite, versions, legacy, counted, ...rest }: KeyRow): KeyInfo {
  return {
    ...rest,
    ...(counted === 0 ? {} : { counted }),
    suite: suite as KeyInfo['suite'],
    exportable: false,
    versions: versions.map(({ retired, opened, ...version }) => ({
      ...version,
      ...(opened
        ? { opened: { count: opened.count, ...(opened.last === 0 ? {} : { last: opened.last }) } }
        : {}),
      ...(retired ? { retired } : {}),
    })),
    ...(legacy ? { legacy: legacyOf(legacy) } : {}),
  }
}

function legacyOf({
  label,
  charset,
  bound,
  ...form
}: NonNullable<KeyRow['legacy']>): NonNullable<KeyInfo['legacy']> {
  return {
    ...form,
    ...(label ? { label } : {}),
    ...(charset === 'utf-8' ? {} : { charset }),
    ...(bound ? { bound } : {}),
  }
}

/** What JOSE libraries can encrypt to: a key for fields, and every version that opens; the newest first, as libraries take the first. */
function keySetOf(rows: readonly KeyRow[]): KeySet {
  return {
    keys: rows.flatMap(row => row.versions.toReversed().flatMap(version => jwkIn(row, version) ?? [])),
  }
}

function jwkIn(
  row: KeyRow,
  { version, publicKey, opens, retired }: KeyRow['versions'][number],
): EncryptionJwk | null {
  const { name, use, legacy } = row
  if (!opens || retired || (use !== 'fields' && use !== 'contextless')) return null
  if (!legacy) return jwkOf(parsePublicKey(publicKey))
  const opensJwe =
    legacy.padding === 'oaep-sha256' && !legacy.label && !legacy.bound && legacy.fields.length === 1
  return opensJwe ? rsaJwkOf(name, version, publicKey) : null
}
