/**
 * The source `manual`: one key that is made of a passphrase each time it is typed, and is stored nowhere
 * (docs/formats/key-file.md, "Typed keys"). There is no salt but the key's name, and no rotation: another key has another name.
 */
import { hash } from 'node:crypto'
import { concat } from '../../../protocol/bytes.ts'
import { x25519Pkcs8 } from '../../../protocol/envelope/keys.ts'
import { formatPublicKey, type PublicKey } from '../../../protocol/envelope/token.ts'
import { OwnKeys } from './own-keys.ts'
import { type KeySource, SourceError } from './source.ts'
import { type Cost, demandPassphrase, SALT_BYTES, stretchPassphrase } from './stretch.ts'

/** Which key is typed. */
export interface ManualKey {
  namespace: string
  name: string
  /** What the passphrase has to give, where that is known: a passphrase with a wrong letter gives another key. */
  publicKey?: PublicKey | undefined
}

/**
 * Never to be changed, since another cost is another key. It is four times what a key file costs: everybody who has the public
 * key can try passphrases, and there are many of those.
 */
export const MANUAL_COST: Cost = { m: 262_144, t: 3, p: 1 }

/** Six words by dice have 77 bits and at least 20 characters; a sentence that was thought up has fewer bits. */
export const MANUAL_PASSPHRASE = {
  characters: 20,
  different: 8,
  hint: 'take six words by dice: whoever has the public key can try passphrases without being noticed',
}

const LABEL = 'claviger/manual/v1'
const VERSION = 1

/**
 * @param cost - less than the default is for tests
 * @throws SourceError `malformed-request` for a passphrase that is too short; `bad-source` for one that gives another key
 * than it should
 */
export async function openManual(
  { namespace, name, publicKey }: ManualKey,
  passphrase: string,
  cost: Cost = MANUAL_COST,
): Promise<KeySource> {
  demandPassphrase(passphrase, MANUAL_PASSPHRASE)
  const scalar = await stretchPassphrase(passphrase, cost, manualSalt(namespace, name))
  const pkcs8 = x25519Pkcs8(scalar)
  scalar.fill(0)
  try {
    const versions = [{ version: VERSION, created: 0, pkcs8 }]
    const source = new OwnKeys('manual', { namespace, keys: [{ name, suite: 'x', versions }] })
    const [made] = await source.listKeys()
    if (publicKey && made!.versions[0]!.publicKey !== formatPublicKey(publicKey))
      throw new SourceError('bad-source', 'this passphrase gives another key', {
        hint: 'type it again: the public key was made with another one',
      })
    return source
  } finally {
    pkcs8.fill(0)
  }
}

/** The first bytes of SHA-256 of the label, then namespace and name after their lengths: no two keys share one. */
export function manualSalt(namespace: string, name: string): Uint8Array {
  const framed = [namespace, name].flatMap(part => {
    const bytes = new TextEncoder().encode(part)
    return [Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]
  })
  return hash('sha256', concat(new TextEncoder().encode(LABEL), ...framed), 'buffer').subarray(0, SALT_BYTES)
}
