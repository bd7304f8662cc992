/** Holds `docs/compatibility.md` against a whole run that passed. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { differences } from './page.ts'
import { readNotes } from './rows.ts'

export const PAGE = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url))

/**
 * Where `CI` is set, every program is there, and the page must say what the run showed and nothing else. Elsewhere it may say more.
 *
 * @param path - of the notes
 * @returns lines to print, the last one a hint; empty where there is no fault
 */
export function pageFaults(path: string): string[] {
  const noted = readNotes(existsSync(path) ? readFileSync(path, 'utf8') : '')
  const page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : ''
  const found = differences(noted, page, Boolean(process.env.CI))
  if (found.length === 0) return []
  return [
    ...found.map(line => `docs/compatibility.md: ${line}`),
    'hint: make it anew with npm run compatibility',
  ]
}
