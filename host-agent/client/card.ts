/** The two halves of a claim: what goes onto a new device's card, and what stays with its first administrators. */
import { randomBytes } from 'node:crypto'
import { toBase64url } from '../../protocol/bytes.ts'
import { administratorCredentials } from './identity.ts'
import type { Profile } from './profile.ts'

/** A new card: the contents of `provision.json`, and the profiles that can provision the device with it. */
export interface Card {
  provisionJson: string
  /** Of the first namespace. */
  profile: Profile
  /** One for each namespace, in their order. */
  profiles: Profile[]
}

/**
 * Makes both halves. Every namespace has an administrator with a key of its own; the claim secret is the device's.
 *
 * @param name - of the first administrator; in a namespace other than `default` it is followed by a hyphen and the
 * namespace's name
 * @param device - name of the device, for people
 * @param namespaces - one or more, all different
 */
export function makeCard(name: string, device: string, namespaces: readonly string[] = ['default']): Card {
  const claim = toBase64url(randomBytes(32))
  const administrators = namespaces.map(namespace => {
    const agent = administratorName(name, namespace)
    return { namespace, agent, ...administratorCredentials(namespace, agent) }
  })
  const certificates = administrators.map(({ namespace, der }) => ({
    namespace,
    administrator: toBase64url(der),
  }))
  const isDefaultAlone = namespaces.length === 1 && namespaces[0] === 'default'
  const card = isDefaultAlone
    ? { name: device, administrator: certificates[0]!.administrator, claim }
    : { name: device, claim, namespaces: certificates }
  const profiles = administrators.map(
    ({ namespace, agent, key, certificate }): Profile => ({
      name: agent,
      role: 'administrator',
      namespace,
      device: '',
      addresses: [],
      key,
      certificate,
      claim,
    }),
  )
  return { provisionJson: `${JSON.stringify(card, null, 2)}\n`, profile: profiles[0]!, profiles }
}

/** Name of the first administrator of a namespace. */
export function administratorName(name: string, namespace: string): string {
  return namespace === 'default' ? name : `${name}-${namespace}`
}
