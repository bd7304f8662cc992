/**
 * Raw agreement (RFC 7748 §6.1, SEC 1 §3.3.1): for programs that do the rest themselves. What comes out is bound to no place, so
 * only keys that were made for it are asked.
 */

import { fromBase64url } from '../bytes.ts'
import { KeyError, OpenError } from './errors.ts'
import { agree } from './kem-node.ts'
import type { FieldPrivateKey } from './keys.ts'

/** SubjectPublicKeyInfo up to the key: X25519 (RFC 8410 §4), a point of P-256 (RFC 5480 §2). */
const SPKI_PREFIXES = {
  x: '302a300506032b656e032100',
  p: '3059301306072a8648ce3d020106082a8648ce3d030107034200',
} as const
const RAW_LENGTHS = { x: 32, p: 65 } as const

/** A public key of somebody else, serialized as RFC 9180 §7.1.1 does. */
export interface PeerKey {
  readonly suite: 'x' | 'p'
  readonly bytes: Uint8Array
}

/**
 * @param text - base64url of the raw key, or of its SubjectPublicKeyInfo
 * @throws KeyError `bad-key`
 */
export function readPeerKey(text: string): PeerKey {
  const bytes = fromBase64url(text)
  for (const suite of ['x', 'p'] as const) {
    if (bytes?.length === RAW_LENGTHS[suite]) return { suite, bytes }
    const prefix = Buffer.from(SPKI_PREFIXES[suite], 'hex')
    if (
      bytes?.length === prefix.length + RAW_LENGTHS[suite] &&
      prefix.equals(bytes.subarray(0, prefix.length))
    )
      return { suite, bytes: bytes.subarray(prefix.length) }
  }
  throw new KeyError('this is no public key of X25519 or P-256')
}

/**
 * The shared secret, 32 bytes. The caller zeroes it.
 * @throws OpenError `open-failed` for a key of another curve, a point off it, or of low order
 */
export function deriveRaw({ main, suite }: FieldPrivateKey, peer: PeerKey): Uint8Array {
  try {
    if (suite !== peer.suite) throw new TypeError('the keys are of two curves')
    return agree(main, peer.bytes)
  } catch (cause) {
    throw new OpenError({ cause })
  }
}
