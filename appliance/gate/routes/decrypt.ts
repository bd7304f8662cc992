/** `POST /v1/decrypt`: a batch in, for each item a value or a code out. One bad item never fails the batch. */
import type { DecryptAnswer, DecryptBody, DecryptItem } from '../../../protocol/api/schemas.ts'
import type { Gate } from '../app.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decryptRoute({ keeper, mount }: Gate): void {
  mount('decrypt', async (request, caller): Promise<DecryptAnswer> => {
    const { purpose, reason = '', items } = request.body as DecryptBody
    const opened = await keeper.call('decrypt', caller, {
      purpose,
      reason,
      items: items.map(({ ciphertext, context }) => [ciphertext, context.field, context.record]),
    })
    return { results: items.map((item, i) => resultOf(item, opened[i]!)) }
  })
}

function resultOf(item: DecryptItem, opened: Uint8Array | string): DecryptAnswer['results'][number] {
  const ref = item.ref === undefined ? {} : { ref: item.ref }
  if (typeof opened === 'string') return { ...ref, error: { code: opened } }
  if (item.encoding !== 'base64url') {
    try {
      return { ...ref, value: utf8.decode(opened) }
    } catch {
      // Not text: answered as bytes, and marked so.
    }
  }
  const value = Buffer.from(opened.buffer, opened.byteOffset, opened.length).toString('base64url')
  return { ...ref, value, encoding: 'base64url' }
}
