/**
 * What this browser keeps for the page. A frame may be denied it, where the person blocks third-party data and the browser does not divide it
 * by shop: then it is kept for as long as the document is open.
 */
const held = new Map<string, string>()

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return held.get(name) ?? null
  }
}

/** @param value - `null`: not kept any more */
export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name)
    else localStorage.setItem(name, value)
  } catch {
    if (value === null) held.delete(name)
    else held.set(name, value)
  }
}
