/** A Debian kernel: its image, device trees and modules, in either of the two ways in which Debian packs them. */
import { posix } from 'node:path'
import { ImageError } from '../errors.ts'
import { moduleName, type ReadModule } from '../initramfs/modules.ts'
import type { Unpacked } from './deb.ts'
import { xzDecompress } from './decompress.ts'

/** What is used of it. */
export interface Kernel {
  /** `6.12.117+deb13-arm64`. */
  readonly release: string
  /** The package that has the modules. */
  readonly package: string
  /** Not compressed. */
  readonly image: Uint8Array
  deviceTree(name: string): Uint8Array
  readonly readModule: ReadModule
  readonly builtIn: ReadonlySet<string>
}

/** @throws ImageError where something is not where either layout has it */
export function findKernel(packages: ReadonlyMap<string, Unpacked>): Kernel {
  const files = new Map(
    [...packages].flatMap(([name, unpacked]) => (name.startsWith('linux-') ? [...unpacked] : [])),
  )
  const builtInPath = [...files.keys()].find(path =>
    /^usr\/lib\/modules\/[^/]+\/modules\.builtin$/.test(path),
  )
  if (!builtInPath) throw new ImageError('there is no kernel among the packages')
  const place = posix.dirname(builtInPath)
  const release = posix.basename(place)
  const bytesOf = (...paths: string[]): { bytes: Uint8Array; from: string } => {
    const found = paths.map(path => files.get(path)).find(entry => entry?.kind === 'file')
    if (found?.kind !== 'file') throw new ImageError(`the kernel ${release} has no ${paths.join(' or ')}`)
    return found
  }
  const modules = new Map(
    [...files].flatMap(([path, entry]) =>
      entry.kind === 'file' && /\.ko(?:\.xz)?$/.test(path) ? [[moduleName(path), { path, ...entry }]] : [],
    ),
  )
  const builtIn = Buffer.from(bytesOf(builtInPath).bytes).toString('utf8')
  return {
    release,
    package: bytesOf(builtInPath).from,
    image: bytesOf(`${place}/vmlinuz`, `boot/vmlinuz-${release}`).bytes,
    deviceTree: name =>
      bytesOf(`${place}/dtb/broadcom/${name}`, `usr/lib/linux-image-${release}/broadcom/${name}`).bytes,
    async readModule(name) {
      const found = modules.get(name)
      if (!found) return null
      return found.path.endsWith('.xz') ? xzDecompress(found.bytes) : found.bytes
    },
    builtIn: new Set(builtIn.split('\n').filter(Boolean).map(moduleName)),
  }
}
