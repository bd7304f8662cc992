/** Random texts that stand for a right, and the hash by which they are known: who reads the hash does not have the right. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Bytes of a browser's token. */
export const TOKEN_BYTES = 32

/** A new one, base64url. */
export function newToken(bytes: number = TOKEN_BYTES): string {
  return randomBytes(bytes).toString('base64url')
}

/** SHA-256, base64url. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** Compares in constant time. @param hash - of the right one */
export function isTokenOf(token: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(tokenHash(token)), Buffer.from(hash))
}
