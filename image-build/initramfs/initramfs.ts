/** The first root: busybox, what sets up verity and makes the data partition, kernel modules, and `init.sh`. */
import { readFile } from 'node:fs/promises'
import { DISK_ID, STATE_SECTOR } from '../disk/layout.ts'
import { type Verity, verityTable } from '../disk/verity.ts'
import type { Mode } from '../model.ts'
import { runBytes } from '../run.ts'
import { GROUPS, USERS } from '../tree/accounts.ts'
import { addLibraries, keep, type Packages } from '../tree/collect.ts'
import { stripPrograms } from '../tree/strip.ts'
import { Tree } from '../tree/tree.ts'
import { writeCpio } from './cpio.ts'
import { APPLETS, PROGRAMS, settings } from './lists.ts'
import type { LoadedModule } from './modules.ts'

/** What an initramfs is made of. */
export interface InitramfsParts {
  readonly packages: Packages
  readonly kernelPackage: string
  readonly modules: readonly LoadedModule[]
  readonly mode: Mode
  readonly verity: Verity
  /** Number of the partition that holds the root. */
  readonly rootPartition: number
  /** Before this the clock never is, seconds since 1970. */
  readonly epoch: number
}

/** Its files. */
export async function initramfsTree(parts: InitramfsParts): Promise<Tree> {
  const tree = new Tree()
  for (const place of ['dev', 'proc', 'sys', 'run', 'sysroot', 'boot', 'etc/claviger', 'usr/bin'])
    tree.directory(place)
  tree.link('bin', 'usr/bin')
  tree.link('sbin', 'usr/sbin')
  tree.link('lib', 'usr/lib')
  keep(tree, parts.packages, PROGRAMS)
  addLibraries(tree, parts.packages)
  for (const applet of APPLETS) tree.link(`usr/bin/${applet}`, 'busybox')
  // init.sh knows one place only
  for (const program of ['dmsetup', 'mke2fs', 'e2fsck']) tree.link(`usr/bin/${program}`, `../sbin/${program}`)
  const script = await readFile(new URL('./init.sh', import.meta.url))
  tree.file('init', script, { mode: 0o755 })
  // Without it mke2fs warns, and with one that is not ours it would make another file system.
  tree.file(
    'etc/mke2fs.conf',
    '[defaults]\ninode_size = 256\nbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr\n[fs_types]\next4 = {\nfeatures = has_journal,extent,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize\n}\n',
  )
  tree.file('etc/claviger/slot', slot(parts))
  const lines = Object.entries(settings(parts.mode)).map(([key, value]) => `${key} ${value}\n`)
  tree.file('etc/claviger/sysctl', lines.join(''))
  tree.file('modules/order', parts.modules.map(({ name }) => `${name}\n`).join(''))
  for (const { name, bytes } of parts.modules)
    tree.file(`modules/${name}.ko`, bytes, { from: parts.kernelPackage })
  return stripPrograms(tree)
}

/**
 * The archive as the kernel takes it; of whole words, so that another archive can be put behind it.
 *
 * @param level - zstd's
 */
export async function packInitramfs(tree: Tree, level: number): Promise<Buffer> {
  const args = ['--ultra', `-${level}`, '--single-thread', '--no-progress', '--stdout', '-']
  const packed = await runBytes('zstd', args, writeCpio(tree))
  return Buffer.concat([packed, new Uint8Array(-packed.length & 3)])
}

/** What init.sh is told, as the shell reads it. */
function slot({ verity, rootPartition, epoch }: InitramfsParts): string {
  const words: Record<string, string | number> = {
    DISK_ID: DISK_ID.toString(16).padStart(8, '0'),
    STATE_SECTOR,
    ROOT: rootPartition,
    TABLE: verityTable(verity, '@'),
    EPOCH: epoch,
    KEEPER: USERS.keeper,
    GATE: USERS.gate,
    HEALTH: USERS.health,
    CARD: GROUPS.card,
  }
  return Object.entries(words)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('')
}
