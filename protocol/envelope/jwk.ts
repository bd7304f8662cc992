/**
 * Public keys of the appliance as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037): what JOSE libraries encrypt to. The `kid` names
 * key and version, so that a JWE says by itself what opens it.
 */

import { createPublicKey } from 'node:crypto'
import { toBase64url } from '../bytes.ts'
import type { PublicKey } from './token.ts'

/** A key to encrypt to. */
export type EncryptionJwk = (
  | { readonly kty: 'OKP'; readonly crv: 'X25519'; readonly x: string }
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
) & { readonly kid: string; readonly alg: 'ECDH-ES' | 'RSA-OAEP-256'; readonly use: 'enc' }

/** @returns `null` for suite q, of which JOSE knows nothing */
export function jwkOf({ suite, key, version, bytes }: PublicKey): EncryptionJwk | null {
  if (suite === 'q') return null
  const named = { kid: `${key}@${version}`, alg: 'ECDH-ES', use: 'enc' } as const
  if (suite === 'x') return { kty: 'OKP', crv: 'X25519', x: toBase64url(bytes), ...named }
  const [x, y] = [bytes.subarray(1, 33), bytes.subarray(33)].map(toBase64url) as [string, string]
  return { kty: 'EC', crv: 'P-256', x, y, ...named }
}

/** @param pem - SubjectPublicKeyInfo of an imported key */
export function rsaJwkOf(key: string, version: number, pem: string): EncryptionJwk {
  const { n = '', e = '' } = createPublicKey(pem).export({ format: 'jwk' })
  return { kty: 'RSA', n, e, kid: `${key}@${version}`, alg: 'RSA-OAEP-256', use: 'enc' }
}

/** SubjectPublicKeyInfo (RFC 8410, RFC 5480), PEM; `null` for suite q. */
export function pemOf(publicKey: PublicKey): string | null {
  const jwk = jwkOf(publicKey)
  return (
    jwk &&
    (createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string)
  )
}
