/** What a test puts behind the device's first root: modules of the virtual machine, and a shell to ask it from within. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Cache, cacheDirectory } from '../../../image-build/fetch/cache.ts'
import { writeCpio } from '../../../image-build/initramfs/cpio.ts'
import { moduleOrder } from '../../../image-build/initramfs/modules.ts'
import { packagesFor } from '../../../image-build/lock/lock-file.ts'
import { ROOT, readLockFile } from '../../../image-build/places.ts'
import { Tree } from '../../../image-build/tree/tree.ts'
import { type Unpacked, unpackDeb } from '../../../image-build/unpack/deb.ts'
import { findKernel } from '../../../image-build/unpack/kernel.ts'

/** The disk, the network and the channels of the machine; a USB controller that is its own host; a keyboard for a button. */
const MODULES = [
  'virtio_blk',
  'virtio_net',
  'virtio_console',
  'virtio_input',
  'input_leds',
  'dummy_hcd',
  'cdc_acm',
]

/** Writes the archive; the modules are those of the kernel in the lock file, fetched by the build before. */
export async function overlay(): Promise<Buffer> {
  const cache = new Cache(cacheDirectory(process.env))
  const packages = new Map<string, Unpacked>()
  for (const { name, sha256: hex } of packagesFor(await readLockFile(), 'stable'))
    if (name.startsWith('linux-'))
      packages.set(name, await unpackDeb(name, cache.path({ algorithm: 'sha256', hex })))
  const kernel = findKernel(packages)
  const modules = await moduleOrder(MODULES, kernel.readModule, kernel.builtIn)
  const tree = new Tree()
  const here = (name: string) => readFile(new URL(name, import.meta.url))
  tree.file('init', await here('init.sh'), { mode: 0o755 })
  tree.file('init.real', await readFile(join(ROOT, 'image-build/initramfs/init.sh')), { mode: 0o755 })
  tree.file('spy.sh', await here('spy.sh'), { mode: 0o755 })
  tree.file('modules/more', modules.map(({ name }) => `${name}\n`).join(''))
  for (const { name, bytes } of modules) tree.file(`modules/${name}.ko`, bytes)
  return writeCpio(tree)
}
