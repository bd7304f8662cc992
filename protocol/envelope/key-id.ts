/** How a request or a JWE names one of the appliance's keys: `orders@3`, or `orders` for its newest version. */

import { isName } from './context.ts'
import { parseVersion } from './token.ts'

/**
 * Reads a name with or without a version.
 * @returns `null` for text that names no key
 */
export function parseKeyId(text: string): { key: string; version: number | null } | null {
  const [key, number, ...rest] = text.split('@')
  if (!isName(key) || rest.length > 0) return null
  if (number === undefined) return { key, version: null }
  const version = parseVersion(number)
  return version === null ? null : { key, version }
}
