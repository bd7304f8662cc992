/**
 * The JavaScript library as an npm package that needs no other: what `import … from 'claviger/client'` finds in a program that is not in this
 * repository. Node strips no types below node_modules, so it is plain JavaScript, with declarations beside it. docs/decisions/library.md.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { npmPackage } from '../../../image-build/fetch/npm.ts'
import { Tree } from '../../../image-build/tree/tree.ts'
import { writeTar } from '../../../image-build/unpack/tar-writer.ts'
import { bundleLibrary, ROOT } from '../bundle.ts'
import { licences, readLicence } from '../licences.ts'
import { DOORS, declarations } from './declarations.ts'

/** The library. */
export interface Library {
  /** By path in the package. */
  readonly files: ReadonlyMap<string, Uint8Array | string>
  /** Directories of npm packages that are in it, as `package-lock.json` calls them. */
  readonly npm: readonly string[]
}

const DOCUMENTS = ['docs/client.md', ...Object.keys(DOORS).map(door => `docs/client/${door}.md`)]

const README = `# claviger

Open fields that a web shop has sealed, through the device that holds the key; and seal them, on the server. How: docs/client.md.
`

/**
 * @param version what the library says it is
 * @throws ImageError where its types cannot be made
 */
export async function makeLibrary(version: string): Promise<Library> {
  const [{ scripts, npm }, types] = await Promise.all([bundleLibrary(DOORS, version), declarations()])
  const ours = (path: string) => readFile(join(ROOT, path), 'utf8')
  const lock = await ours('package-lock.json')
  const bundled = await Promise.all(npm.map(path => readLicence(join(ROOT, path), npmPackage(lock, path))))
  const files = new Map<string, Uint8Array | string>([
    ['package.json', `${JSON.stringify(manifestOf(version, await ours('package.json')), null, 2)}\n`],
    ['README.md', README],
    ['LICENSE', await ours('LICENSE')],
    ['LICENSES-OF-OTHERS', licences(bundled)],
    ...(await Promise.all(DOCUMENTS.map(async path => [path, await ours(path)] as const))),
    ...scripts,
    ...[...types].map(([path, text]) => [`types/${path}`, text] as const),
  ])
  return { files, npm }
}

/** @param ours text of the repository's own */
function manifestOf(version: string, ours: string): object {
  const { name, license, engines, dependencies } = JSON.parse(ours)
  const doors = Object.entries(DOORS).map(([door, source]) => {
    const types = `./types/${source.replace(/\.ts$/, '.d.ts')}`
    return [`./${door}`, { types, default: `./${door}.mjs` }]
  })
  return {
    name,
    version,
    description: 'The library of Claviger: open fields through a device, and seal them on the server',
    license,
    type: 'module',
    engines,
    exports: { ...Object.fromEntries(doors), './package.json': './package.json' },
    // for a program that opens a serial port itself, without the agent
    peerDependencies: { serialport: dependencies.serialport },
    peerDependenciesMeta: { serialport: { optional: true } },
  }
}

/**
 * The library as `npm pack` would pack it: equal sources give equal bytes.
 *
 * @param time of every file, seconds since 1970
 */
export function packLibrary({ files }: Library, time: number): Uint8Array {
  const tree = new Tree()
  for (const [path, content] of files) tree.file(`package/${path}`, content)
  return gzipSync(writeTar(tree, time), { level: 9 })
}
