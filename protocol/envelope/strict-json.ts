/**
 * JSON objects as JOSE wants them read (RFC 7516 §4, RFC 8259 §4): a member that is there twice is refused at any depth, where
 * `JSON.parse` would silently keep the last, and another reader the first.
 */

const STRINGS = /"(?:[^"\\]|\\.)*"/g

/**
 * @param maxDepth - objects and arrays inside each other, at most
 * @returns `null` for text that is no JSON object, is nested more deeply, or names a member twice
 */
export function parseJsonObject(text: string, maxDepth: number): ReadonlyMap<string, unknown> | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isPlainObject(value) || !membersDiffer(text, value, maxDepth)) return null
  return new Map(Object.entries(value))
}

/** True for what `{…}` becomes, and not for an array. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of text that is known to be JSON, and of what it became: a member that was there twice is one colon more than there are members. */
function membersDiffer(text: string, value: object, maxDepth: number): boolean {
  const members = countMembers(value, maxDepth)
  return members !== null && text.replace(STRINGS, '').split(':').length - 1 === members
}

/** @returns of all objects in it; `null` where it is nested more deeply */
function countMembers(value: object, maxDepth: number): number | null {
  if (maxDepth === 0) return null
  const inner = Object.values(value)
  let count = Array.isArray(value) ? 0 : inner.length
  for (const one of inner) {
    if (typeof one !== 'object' || one === null) continue
    const counted = countMembers(one, maxDepth - 1)
    if (counted === null) return null
    count += counted
  }
  return count
}
