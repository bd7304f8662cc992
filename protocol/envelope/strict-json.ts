/**
 * JSON objects as JOSE wants them read (RFC 7516 §4, RFC 8259 §4): a member that is there twice is refused at any depth, where
 * `JSON.parse` would silently keep the last, and another reader the first.
 */

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]]|:/g

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
  if (!isPlainObject(value) || !membersDiffer(text, maxDepth)) return null
  return new Map(Object.entries(value))
}

/** True for what `{…}` becomes, and not for an array. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of text that is known to be JSON: there, a string before a colon names a member of the innermost object. */
function membersDiffer(text: string, maxDepth: number): boolean {
  const open: Set<string>[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      open.push(new Set())
      if (open.length > maxDepth) return false
    } else if (token === '}' || token === ']') open.pop()
    else if (token !== ':') last = token
    else {
      const names = open.at(-1)!
      // Names are compared as what they spell: "a" and "\u0061" are one.
      const name = JSON.parse(last) as string
      if (names.has(name)) return false
      names.add(name)
    }
  }
  return true
}
