/** Which test files note something: found in their text, so that nobody keeps a list. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importsOf } from '../lint/imports.ts'

/** A file that notes; the one that defines it does not call it so. */
const NOTES = /(?<!function )\bnoteProgram\(/

/**
 * The test files that note something, or import a module of the tests that does.
 *
 * @param root - of the sources
 * @returns paths from there, sorted
 */
export function notingFiles(root: string): string[] {
  const known = new Map<string, boolean>()
  const notes = (file: string): boolean => {
    const found = known.get(file)
    if (found !== undefined) return found
    known.set(file, false)
    const text = readFileSync(join(root, file), 'utf8')
    const ours = importsOf(file, text).filter(({ to, typeOnly }) => /^test\/.*\.ts$/.test(to) && !typeOnly)
    const result = NOTES.test(text) || ours.some(({ to }) => notes(to))
    known.set(file, result)
    return result
  }
  return globSync('test/**/*.test.ts', { cwd: root })
    .filter(file => !file.startsWith('test/compatibility/'))
    .sort()
    .filter(notes)
}
