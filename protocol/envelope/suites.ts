/**
 * The algorithms of the envelope by their IANA numbers: RFC 9180 §7 (DHKEM, HKDF-SHA256, AEADs) and
 * draft-connolly-cfrg-xwing-kem §6 (X-Wing, 0x647a, "MLKEM768-X25519" in draft-ietf-hpke-pq).
 *
 * A field token names one of three fixed combinations by a letter; HPKE itself takes any KEM with any AEAD.
 */

export type KemName = 'x25519' | 'p256' | 'xwing'
export type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'

/** The letter of a field token: `x` (default), `p` (NIST curve), `q` (post-quantum hybrid). */
export type SuiteLetter = 'x' | 'p' | 'q'

/** What a KEM's values measure, in bytes. */
export interface KemParameters {
  readonly id: number
  readonly encapsulatedLength: number
  readonly publicKeyLength: number
}

/** What an AEAD's key measures, in bytes; nonce (12) and tag (16) are the same for all three. */
export interface AeadParameters {
  readonly id: number
  readonly keyLength: number
}

export const KEMS: Readonly<Record<KemName, KemParameters>> = {
  x25519: { id: 0x0020, encapsulatedLength: 32, publicKeyLength: 32 },
  p256: { id: 0x0010, encapsulatedLength: 65, publicKeyLength: 65 },
  xwing: { id: 0x647a, encapsulatedLength: 1120, publicKeyLength: 1216 },
}

/** HKDF-SHA256, the only KDF here. */
export const KDF_ID = 0x0001

export const AEADS: Readonly<Record<AeadName, AeadParameters>> = {
  'aes-128-gcm': { id: 0x0001, keyLength: 16 },
  'aes-256-gcm': { id: 0x0002, keyLength: 32 },
  'chacha20-poly1305': { id: 0x0003, keyLength: 32 },
}

export const NONCE_LENGTH = 12
export const TAG_LENGTH = 16

/** One KEM with one AEAD; the KDF is always HKDF-SHA256. */
export interface Suite {
  readonly kem: KemName
  readonly aead: AeadName
}

export const FIELD_SUITES: Readonly<Record<SuiteLetter, Suite>> = {
  x: { kem: 'x25519', aead: 'chacha20-poly1305' },
  p: { kem: 'p256', aead: 'aes-256-gcm' },
  q: { kem: 'xwing', aead: 'aes-256-gcm' },
}

/** True for the letter of a field suite. */
export function isSuiteLetter(text: string): text is SuiteLetter {
  return text === 'x' || text === 'p' || text === 'q'
}
