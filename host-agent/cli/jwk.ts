/** Thumbprints of public keys (RFC 7638, RFC 8037 §2): what two people read to each other to compare a key. */
import { hash } from 'node:crypto'

/** Members that make the key, in the order in which they are hashed. */
const MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
])

/** @returns SHA-256 in base64url, `null` for a kind of key that has none */
export function thumbprint(jwk: Record<string, unknown>): string | null {
  const members = MEMBERS.get(jwk.kty)
  if (!members?.every(member => typeof jwk[member] === 'string')) return null
  return hash(
    'sha256',
    JSON.stringify(Object.fromEntries(members.map(member => [member, jwk[member]]))),
    'base64url',
  )
}
