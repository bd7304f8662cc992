/** The two halves of a claim: what goes onto a new device's card, and what stays with its first administrator. */
import { randomBytes } from 'node:crypto'
import { toBase64url } from '../../protocol/bytes.ts'
import { administratorCredentials } from './identity.ts'
import type { Profile } from './profile.ts'

/** A new card: the contents of `provision.json`, and the profile that can provision the device with it. */
export interface Card {
  provisionJson: string
  profile: Profile
}

/**
 * Makes both halves.
 *
 * @param name - of the first administrator
 * @param device - name of the device, for people
 */
export function makeCard(name: string, device: string): Card {
  const { der, key, certificate } = administratorCredentials('default', name)
  const claim = toBase64url(randomBytes(32))
  const card = { name: device, administrator: toBase64url(der), claim }
  return {
    provisionJson: `${JSON.stringify(card, null, 2)}\n`,
    profile: {
      name,
      role: 'administrator',
      namespace: 'default',
      device: '',
      addresses: [],
      key,
      certificate,
      claim,
    },
  }
}
