/** Kernel modules and what they need, in the order in which they have to be loaded. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { run } from './packages.ts'

/** A module, ready for `insmod`. */
export interface KernelModule {
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * @param root the unpacked package of a kernel
 * @param wanted names of modules; what is built into the kernel is passed over
 * @returns the modules and all that they depend on, each after what it needs
 */
export function modulesInOrder(root: string, wanted: readonly string[]): KernelModule[] {
  const release = releaseOf(root)
  const directory = join(root, 'lib/modules', release)
  const files = new Map<string, string>()
  for (const path of readdirSync(join(directory, 'kernel'), { recursive: true, encoding: 'utf8' }))
    if (/\.ko(\.\w+)?$/.test(path)) files.set(nameOf(path), join(directory, 'kernel', path))
  const builtIn = new Set(readFileSync(join(directory, 'modules.builtin'), 'utf8').split('\n').map(nameOf))
  const found = new Map<string, KernelModule>()
  const visit = (name: string): void => {
    if (found.has(name) || builtIn.has(name)) return
    const path = files.get(name)
    if (!path) throw new Error(`the kernel ${release} has no module ${name}`)
    const bytes = read(path)
    for (const needed of dependencies(bytes)) visit(needed)
    found.set(name, { name, bytes })
  }
  for (const name of wanted) visit(normal(name))
  return [...found.values()]
}

/** The version in the names of the kernel's files. */
export function releaseOf(root: string): string {
  const [release] = readdirSync(join(root, 'lib/modules'))
  if (!release) throw new Error('the package of the kernel has no modules')
  return release
}

/** A module says in its section `.modinfo` what it needs. */
function dependencies(bytes: Buffer): string[] {
  const at = bytes.indexOf('\0depends=')
  if (at < 0) return []
  const text = bytes.toString('latin1', at + '\0depends='.length, bytes.indexOf(0, at + 1))
  return text.split(',').filter(Boolean).map(normal)
}

function read(path: string): Buffer {
  if (path.endsWith('.ko')) return readFileSync(path)
  const plain = `${path.slice(0, path.lastIndexOf('.ko'))}.ko`
  run(path.endsWith('.xz') ? 'xz' : 'zstd', ['-dkfq', path])
  return readFileSync(plain)
}

/** In names of modules `-` and `_` are the same. */
const normal = (name: string) => name.replaceAll('-', '_')
const nameOf = (path: string) => normal(basename(path).replace(/\.ko(\.\w+)?$/, ''))
