/**
 * Properties of a JSON object by their place in its text, so that some can be replaced and all others stay as they are
 * written: long numbers, their order, escapes and white space. Needs no recursion.
 */

/** One property. */
export interface Property {
  readonly name: string
  /** Where its value begins in the text, and where it ends. */
  readonly start: number
  readonly end: number
}

/**
 * Lists the properties of an object, those of nested objects excepted.
 *
 * @param text - JSON that `JSON.parse` accepts
 * @returns `null` when it is not an object
 */
export function propertiesOf(text: string): Property[] | null {
  let at = skipSpace(text, 0)
  if (text[at] !== '{') return null
  const properties: Property[] = []
  at = skipSpace(text, at + 1)
  while (text[at] !== '}') {
    const nameEnd = stringEnd(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    properties.push({ name, start, end })
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return properties
}

function skipSpace(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\r' || text[at] === '\n') at++
  return at
}

/** End of the string that begins at `at`: behind the first quote with an even number of backslashes before it. */
function stringEnd(text: string, at: number): number {
  for (let quote = at; ; ) {
    quote = text.indexOf('"', quote + 1)
    let first = quote
    while (text[first - 1] === '\\') first--
    if ((quote - first) % 2 === 0) return quote + 1
  }
}

function valueEnd(text: string, at: number): number {
  if (text[at] === '"') return stringEnd(text, at)
  const isNested = text[at] === '{' || text[at] === '['
  const next = isNested ? /["{}[\]]/g : /[\s,}]|$/g
  next.lastIndex = at
  for (let depth = 0; ; ) {
    const found = next.exec(text)!
    if (!isNested) return found.index
    if (found[0] === '"') next.lastIndex = stringEnd(text, found.index)
    else {
      depth += found[0] === '{' || found[0] === '[' ? 1 : -1
      if (depth === 0) return next.lastIndex
    }
  }
}
