/** A value as a person reads it. */

/** What is sealed of an address is JSON of its parts (docs/records.md): they are put after each other. Everything else stays as it is. */
export function asLine(value: string): string {
  if (!value.startsWith('{')) return value
  try {
    const parts = Object.values(JSON.parse(value))
    return parts.every(part => typeof part === 'string') ? parts.join(', ') : value
  } catch {
    return value
  }
}
