/** Which installed packages a program needs, by the lock file. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Locked {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

/**
 * @param root the directory of package-lock.json
 * @param names packages of the root
 * @returns directories from the root, such as `node_modules/fastify`, of these and of all that they need and that is there
 */
export function packagesOf(root: string, names: readonly string[]): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const found = new Set<string>()
  const visit = (from: string, name: string): void => {
    // as Node looks for it: in the package itself, then beside it, then further up
    for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('node_modules') - 1))) {
      const path = join(place, 'node_modules', name)
      const locked = packages[path]
      if (locked) {
        if (found.has(path) || !existsSync(join(root, path))) return
        found.add(path)
        const { dependencies, optionalDependencies, peerDependencies } = locked
        for (const each of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
          visit(path, each)
        return
      }
      if (place === '') return
    }
  }
  for (const name of names) visit('', name)
  return [...found].sort()
}
