/** Hands a private key in to a device: sealed to the key process, which proves itself with the key of its log. */

import type { KeyInfo } from '../../protocol/api/schemas.ts'
import { fromBase64url, toBase64url } from '../../protocol/bytes.ts'
import { type HandedIn, sealToTicket } from '../../protocol/envelope/hand-in.ts'
import type { Appliance } from './appliance.ts'
import { ConnectionError } from './errors.ts'
import type { Profile } from './profile.ts'
import { readLogKey } from './witness.ts'

/**
 * @param profile - an administrator's, which pins the key of the log
 * @param pkcs8 - zeroed
 * @throws KeyError `bad-key` for an offer that the device's key process did not make; ConnectionError `bad-profile`
 */
export async function handIn(
  appliance: Pick<Appliance, 'importTicket' | 'importKey'>,
  { namespace, logKey }: Pick<Profile, 'namespace' | 'logKey'>,
  what: HandedIn,
  pkcs8: Uint8Array,
): Promise<KeyInfo> {
  try {
    if (logKey === undefined)
      throw new ConnectionError('bad-profile', 'this enrolment does not know the key of the log', {
        hint: 'enrol this machine anew',
      })
    const { publicKey, signature } = await appliance.importTicket()
    const ticket = { publicKey: bytesOf(publicKey), signature: bytesOf(signature) }
    const sealed = sealToTicket(namespace, ticket, readLogKey(logKey).publicKey, what, pkcs8)
    return await appliance.importKey({ ...what, fields: [...what.fields], sealed: toBase64url(sealed) })
  } finally {
    pkcs8.fill(0)
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64url(text)
  if (!bytes) throw new ConnectionError('bad-response', 'the device offers something that is no key')
  return bytes
}
