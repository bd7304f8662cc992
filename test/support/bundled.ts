/**
 * Programs that tests start many times, bundled: one file loads in half the processor time of a hundred. What is shipped is
 * bundled too (`image-build/bundle.ts`, `host-agent/package/bundle.ts`); here the programs find their files, and packages with
 * native modules, where the sources have them. `npm test` makes the bundles once; a test that is run alone starts the sources.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'

/** Names the directory of the bundles to the tests. */
export const BUNDLES = 'CLAVIGER_TEST_BUNDLES'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/claviger-bundles')

const PROGRAMS = [
  'appliance/main.ts',
  'appliance/keeper/main.ts',
  'appliance/gate/main.ts',
  'appliance/health/main.ts',
  'appliance/network/firewall-command.ts',
  'host-agent/cli/main.ts',
  'host-agent/plugins/age/main.ts',
  'image-build/main.ts',
]

/** Packages with native modules look for those beside themselves. */
const NATIVE = /^(?:serialport|@serialport\/.*|usb)$/

/** Packages that were written for `require` find one. */
const BANNER =
  "import{createRequire as __testRequire}from'node:module';const require=__testRequire(import.meta.url);"

/** Where a bundle of a program is in the directory of all. */
function placeOf(source: string): string {
  return source.replace(/\.ts$/, '.mjs')
}

/** The bundle of a program, where there is one; any other argument as it is. */
export function bundled(argument: string): string {
  const directory = process.env[BUNDLES]
  if (!directory || !argument.endsWith('.ts')) return argument
  const source = relative(ROOT, resolve(argument))
  return PROGRAMS.includes(source) ? join(directory, placeOf(source)) : argument
}

/** A relative path in quotes. */
const RELATIVE = /'(\.{1,2}\/[^'\n]+\.ts)'/g

/** Not in the text of a banner. */
const IN_CODE = /import\.meta\.url(?!\);")/g

/** Our sources: their own place is where they are, and the programs they start are bundles. */
const ownPlaces: Plugin = {
  name: 'own places',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      if (path.includes('/node_modules/') || !text.includes('import.meta.')) return null
      const contents = text
        .replace(RELATIVE, (found, named: string) => {
          const source = relative(ROOT, resolve(dirname(path), named))
          return PROGRAMS.includes(source) && !text.includes(`from ${found}`)
            ? JSON.stringify(join(DIRECTORY, placeOf(source)))
            : found
        })
        .replaceAll(IN_CODE, JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.main', 'false')
      return { contents, loader: 'ts' }
    }),
}

/** Packages that stay where they are: native ones, and those that a program loads late. */
const ownPackages: Plugin = {
  name: 'own packages',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      NATIVE.test(path) || kind === 'dynamic-import' ? { path, external: true } : null,
    ),
}

/** Stands for the directory until its name is known. */
const DIRECTORY = '/claviger-bundles'

/** One program by itself: what it does not share with another is in fewer files. */
async function bundle(source: string): Promise<{ path: string; text: string }[]> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    ...{ absWorkingDir: ROOT, entryPoints: [source], outbase: ROOT, outdir: DIRECTORY, write: false },
    ...{ bundle: true, splitting: true, platform: 'node', format: 'esm', target: 'node24' },
    ...{ minifySyntax: true, minifyWhitespace: true, charset: 'ascii', legalComments: 'none' },
    logLevel: 'warning',
    chunkNames: `${dirname(source)}/[name]-[hash]`,
    outExtension: { '.js': '.mjs' },
    banner: { js: BANNER },
    define: { __dirname: JSON.stringify(ROOT) },
    plugins: [ownPackages, ownPlaces],
  })
  return outputFiles.map(({ path, text }) => ({ path: relative(DIRECTORY, path), text }))
}

/** Milliseconds for which bundles are kept that nobody asks for: another run may use them. */
const KEPT = 24 * 3600 * 1000

async function removeOld(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const path = join(CACHE, name)
    // another run may do the same
    const made = await stat(path).catch(() => null)
    if (made && Date.now() - made.mtimeMs > KEPT) await rm(path, { recursive: true, force: true })
  }
}

/** Makes the bundles, unless the same are there. @returns their directory */
export async function bundlePrograms(): Promise<string> {
  const files = (await Promise.all(PROGRAMS.map(bundle))).flat()
  const hash = createHash('sha256')
  for (const { path, text } of files) hash.update(`${path}\n${text}\n`)
  const directory = join(CACHE, hash.digest('hex').slice(0, 16))
  await mkdir(CACHE, { recursive: true })
  await removeOld()
  if (existsSync(directory)) {
    await utimes(directory, new Date(), new Date())
    return directory
  }
  const made = await mkdtemp(join(CACHE, 'new-'))
  for (const { path, text } of files) {
    const place = join(made, path)
    await mkdir(dirname(place), { recursive: true })
    await writeFile(place, text.replaceAll(DIRECTORY, directory))
  }
  // whoever made the same at the same time was first
  await rename(made, directory).catch(() => rm(made, { recursive: true }))
  return directory
}
