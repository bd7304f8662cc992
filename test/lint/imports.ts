/** Finds the imports of a source file by its text, and resolves relative ones to paths from the root. */
import { posix } from 'node:path'
import type { Import } from './arrows.ts'

const STATEMENT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]+?\s+from\s+)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g

/** Every import of a file. `from` is its path from the root, with `/`. */
export function importsOf(from: string, text: string): Import[] {
  return [...text.matchAll(STATEMENT)].map(([, type, named, dynamic]) => {
    const specifier = (named ?? dynamic)!
    const to = specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier
    return { from, to, typeOnly: type !== undefined }
  })
}
