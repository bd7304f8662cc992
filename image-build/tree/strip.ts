/** A tree whose programs and libraries are without what is only for debuggers and linkers. */
import { isElf, stripElf } from './elf.ts'
import { Tree } from './tree.ts'

/** Kernel modules are left as they are: their symbols are what they are linked by, and their signature is behind them. */
export function stripPrograms(tree: Tree): Tree {
  const stripped = new Tree()
  for (const [path, entry] of tree.entries()) {
    const strips = entry.kind === 'file' && isElf(entry.bytes) && !path.endsWith('.ko')
    stripped.add(path, strips ? { ...entry, bytes: stripElf(entry.bytes) } : entry)
  }
  return stripped
}
