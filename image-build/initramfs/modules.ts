/** Kernel modules: those of a list and what they need, in an order in which they can be loaded. */
import { posix } from 'node:path'
import { ImageError } from '../errors.ts'

/** Reads a module that is not built in. `null`: the kernel has no such module. */
export type ReadModule = (name: string) => Promise<Uint8Array | null>

/** A module to load. */
export interface LoadedModule {
  /** With underscores, as the kernel lists it. */
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * @param wanted names, in the order in which they should be loaded; with `?` behind it, one that some kernels do without
 * @param builtIn names of what the kernel has in itself
 * @throws ImageError where the kernel does not have a module
 */
export async function moduleOrder(
  wanted: readonly string[],
  read: ReadModule,
  builtIn: ReadonlySet<string>,
): Promise<LoadedModule[]> {
  const order: LoadedModule[] = []
  const visiting = new Set<string>()
  const visit = async (name: string, optional: boolean): Promise<void> => {
    if (builtIn.has(name) || visiting.has(name)) return
    visiting.add(name)
    const bytes = await read(name)
    if (!bytes && optional) return
    if (!bytes) throw new ImageError(`the kernel has no module ${name}`)
    const { hard, soft } = needsOf(bytes)
    for (const needed of hard) await visit(needed, false)
    for (const liked of soft) await visit(liked, true)
    order.push({ name, bytes })
  }
  for (const name of wanted) await visit(moduleName(name.replace(/\?$/, '')), name.endsWith('?'))
  return order
}

/** `kernel/drivers/md/dm-verity.ko.xz` is `dm_verity`. */
export function moduleName(path: string): string {
  return posix
    .basename(path)
    .replace(/\.ko(?:\..*)?$/, '')
    .replaceAll('-', '_')
}

/** Names that a module's `.modinfo` says have to be loaded before it: `depends=`, and as it likes `softdep=pre:`. */
export function needsOf(module: Uint8Array): { hard: string[]; soft: string[] } {
  const text = Buffer.from(module.buffer, module.byteOffset, module.length).toString('latin1')
  const hard = [...text.matchAll(/\0depends=([\w,-]*)(?=\0)/g)].flatMap(([, names]) => names!.split(','))
  const soft = [...text.matchAll(/\0softdep=pre: ([\w -]*)(?=\0)/g)].flatMap(([, names]) => names!.split(' '))
  return { hard: hard.filter(Boolean).map(moduleName), soft: soft.filter(Boolean).map(moduleName) }
}
