/**
 * `POST /v1/decrypt` and `POST /v1/rewrap`: a batch in, for each item a value, tokens or a code out. One bad item never fails
 * the batch.
 */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { Reveal } from '../../../protocol/api/routes.ts'
import type {
  DecryptAnswer,
  DecryptBody,
  DecryptItem,
  DeriveAnswer,
  DeriveBody,
  RewrapAnswer,
  RewrapBody,
  RewrapItem,
} from '../../../protocol/api/schemas.ts'
import { toBase64url } from '../../../protocol/bytes.ts'
import type { Item, Opened, Params, Rewrapped } from '../../keeper/rpc/messages.ts'
import type { Gate } from '../app.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decryptRoute({ keeper, mount }: Gate): void {
  mount('decrypt', async (request, caller): Promise<DecryptAnswer> => {
    const { purpose, reason = '', items } = request.body as DecryptBody
    const { opened, index } = await keeper.call('decrypt', caller, {
      purpose,
      reason,
      items: items.map(itemOf),
    })
    return { results: items.map((item, i) => resultOf(item, opened[i]!)), audit: { index } }
  })
  mount('derive', async (request, caller): Promise<DeriveAnswer> => {
    const { context, key, version, reason = '', ...rest } = request.body as DeriveBody
    const keyRef = version === undefined ? key : `${key}@${version}`
    const { secret, index } = await keeper.call('derive', caller, {
      ...rest,
      ...context,
      reason,
      key: keyRef,
    })
    return { secret: toBase64url(secret), audit: { index } }
  })
  mount('rewrap', async (request, caller): Promise<RewrapAnswer> => {
    const { purpose, reason = '', target = '', items } = request.body as RewrapBody
    if (target === '' && items.some(({ context }) => context.field === undefined))
      throw new ClavigerError('malformed-request', 'what an imported key opens needs a target')
    const { rewrapped, index } = await keeper.call('rewrap', caller, {
      purpose,
      reason,
      target,
      items: items.map(rewrapItemOf),
    })
    return { results: items.map(({ ref }, i) => rewrappedOf(ref, rewrapped[i]!)), audit: { index } }
  })
}

function itemOf(item: DecryptItem): Item {
  const { ciphertext, context, reveal = 'full', key } = item
  const { field, record } = context
  const option = optionOf(reveal, item)
  return key === undefined
    ? [ciphertext, field, record, reveal, option]
    : [ciphertext, field, record, reveal, option, key]
}

/** @throws ClavigerError `malformed-request` for an item with neither field nor key */
function rewrapItemOf({ ciphertext, context, key }: RewrapItem): Params<'rewrap'>['items'][number] {
  const { field, record } = context
  if (key === undefined && field === undefined)
    throw new ClavigerError('malformed-request', 'an item has the field of its value, or its key, or both')
  return {
    ciphertext,
    record,
    ...(field === undefined ? {} : { field }),
    ...(key === undefined ? {} : { key }),
  }
}

function rewrappedOf(ref: string | undefined, result: Rewrapped): RewrapAnswer['results'][number] {
  const named = ref === undefined ? {} : { ref }
  if (typeof result === 'string') return { ...named, error: { code: result } }
  return Array.isArray(result) ? { ...named, tokens: result } : { ...named, error: result }
}

/** @throws ClavigerError `malformed-request` for a mode without what it needs */
function optionOf(reveal: Reveal, { keep, candidate, recipient }: DecryptItem): number | string {
  if (reveal === 'mask') return keep ?? 0
  if (reveal === 'equals' && candidate !== undefined) return candidate
  if (reveal === 'forward' && recipient !== undefined) return recipient
  if (reveal === 'full' || reveal === 'last4') return 0
  throw new ClavigerError(
    'malformed-request',
    `${reveal} needs a ${reveal === 'equals' ? 'candidate' : 'recipient'}`,
  )
}

function resultOf(item: DecryptItem, opened: Opened): DecryptAnswer['results'][number] {
  const ref = item.ref === undefined ? {} : { ref: item.ref }
  if (typeof opened === 'string') return { ...ref, error: { code: opened } }
  if (typeof opened === 'boolean') return { ...ref, equals: opened }
  if (Array.isArray(opened)) return { ...ref, error: { code: opened[0], free: opened[1] } }
  if (item.reveal === 'forward') return { ...ref, jwe: utf8.decode(opened) }
  if (item.encoding !== 'base64url' && !isStanza(item)) {
    try {
      return { ...ref, value: utf8.decode(opened) }
    } catch {
      // Not text: answered as bytes, and marked so.
    }
  }
  return { ...ref, value: toBase64url(opened), encoding: 'base64url' }
}

/** A file key is bytes, even where they happen to be text. */
function isStanza({ ciphertext, reveal = 'full' }: DecryptItem): boolean {
  return ciphertext.startsWith('-> ') && reveal === 'full'
}
