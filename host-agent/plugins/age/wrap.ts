/** Stanzas as a stock age writes them for the recipients of our keys: `X25519`, `p256tag`, `mlkem768x25519` (c2sp.org/age). */
import { generateKeyPairSync } from 'node:crypto'
import { aeadSeal } from '../../../protocol/envelope/aead-node.ts'
import { encodeBase64, type Stanza } from '../../../protocol/envelope/age/stanza.ts'
import { AGE_HPKES, AGE_INFOS, AGE_NONCE, ageTag, ageWrapKey } from '../../../protocol/envelope/age/unwrap.ts'
import { EMPTY } from '../../../protocol/envelope/hpke.ts'
import { agree } from '../../../protocol/envelope/kem-node.ts'
import type { AgeIdentity } from './identity-string.ts'

/** @throws any error for bytes that are no public key */
export function wrapFileKey(
  { suite, publicKey }: Pick<AgeIdentity, 'suite' | 'publicKey'>,
  fileKey: Uint8Array,
): Stanza {
  if (suite === 'x') return wrapX25519(publicKey, fileKey)
  const type = suite === 'p' ? 'p256tag' : 'mlkem768x25519'
  const { enc, ciphertext } = AGE_HPKES[type].seal(publicKey, AGE_INFOS[type], EMPTY, fileKey)
  const tag = suite === 'p' ? [encodeBase64(ageTag(enc, publicKey))] : []
  return { args: [type, ...tag, encodeBase64(enc)], body: ciphertext }
}

function wrapX25519(publicKey: Uint8Array, fileKey: Uint8Array): Stanza {
  const ephemeral = generateKeyPairSync('x25519')
  const share = Uint8Array.from(ephemeral.publicKey.export({ format: 'raw-public' }))
  const wrapKey = ageWrapKey(agree({ kem: 'x25519', key: ephemeral.privateKey }, publicKey), share, publicKey)
  try {
    return {
      args: ['X25519', encodeBase64(share)],
      body: aeadSeal('chacha20-poly1305', wrapKey, AGE_NONCE, EMPTY, fileKey),
    }
  } finally {
    wrapKey.fill(0)
  }
}
