/** The command line, and the appliance of its demo, as plain JavaScript: what a command does not need is in a file of its own. */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { packagesOf } from '../../image-build/bundle.ts'
import { HOME, movePaths } from './own-paths.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What was bundled. */
export interface Bundle {
  /** By name, from {@link HOME}. */
  readonly scripts: ReadonlyMap<string, Uint8Array>
  /** Directories of npm packages that are in them, as `package-lock.json` calls them. */
  readonly npm: readonly string[]
}

/**
 * What a person or another program starts: where its source is, and the folder of what it loads. Each is a script that names its
 * Node, so that no shell and no second process stands between.
 */
export const PROGRAMS: Readonly<Record<string, { source: string; folder: string }>> = {
  claviger: { source: 'host-agent/cli/main.ts', folder: 'cli' },
  'age-plugin-claviger': { source: 'host-agent/plugins/age/main.ts', folder: 'age' },
}
/** Other processes of the demo: they share what they have in common. */
const APPLIANCE: Record<string, string> = {
  appliance: 'appliance/main.ts',
  'appliance-keeper': 'appliance/keeper/main.ts',
  'appliance-gate': 'appliance/gate/main.ts',
  'appliance-health': 'appliance/health/main.ts',
  'appliance-firewall': 'appliance/network/firewall-command.ts',
}

/** Native modules, from {@link HOME}: the package has each for one architecture, in one place. */
export const NATIVE = { usb: 'native/usb.node', serialport: 'native/serialport.node' }

/** Packages that were written for `require` find one. */
const BANNER =
  "import{createRequire as __packageRequire}from'node:module';const require=__packageRequire(import.meta.url);"

/** @param version what the program says it is */
export async function bundle(version: string): Promise<Bundle> {
  const parts = await Promise.all(Object.keys(PROGRAMS).map(name => bundleProgram(name, version)))
  parts.push(await bundleFiles(version, { entryPoints: APPLIANCE, chunkNames: 'appliance/[name]-[hash]' }))
  return {
    scripts: new Map(parts.flatMap(({ scripts }) => [...scripts])),
    npm: [...new Set(parts.flatMap(({ npm }) => npm))].sort(),
  }
}

/**
 * One of {@link PROGRAMS}, with files of its own: what age waits for loads no more than it needs.
 * @param version what the program says it is
 */
export function bundleProgram(name: string, version: string): Promise<Bundle> {
  const { source, folder } = PROGRAMS[name]!
  return bundleFiles(version, {
    stdin: {
      contents: `#!/${HOME}/node\nimport './${source}'\n`,
      resolveDir: ROOT,
      sourcefile: `${name}.js`,
    },
    entryNames: name,
    chunkNames: `${folder}/[name]-[hash]`,
  })
}

async function bundleFiles(version: string, options: BuildOptions): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...common(version),
    ...options,
    write: false,
    metafile: true,
  })
  return {
    scripts: new Map(outputFiles.map(({ path, contents }) => [relative(OUTPUT, path), contents])),
    npm: packagesOf(Object.keys(metafile.inputs)),
  }
}

/**
 * The library for programs of others: a module for each door, and what they share or load late beside them. It is for people to read in
 * a stack trace, so its lines stay, and a serial port needs a package that they install themselves.
 *
 * @param doors source of each, by its name
 */
export function bundleLibrary(doors: Readonly<Record<string, string>>, version: string): Promise<Bundle> {
  return bundleFiles(version, {
    entryPoints: { ...doors },
    chunkNames: 'parts/[name]-[hash]',
    external: ['serialport'],
    minifySyntax: false,
    minifyWhitespace: false,
    define: {},
    plugins: [ownFiles(version)],
  })
}

/** Nothing is written there: paths in what esbuild returns begin with it. */
const OUTPUT = `${ROOT}package`

function common(version: string): BuildOptions {
  return {
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    charset: 'ascii',
    legalComments: 'eof',
    logLevel: 'silent',
    external: [`/${HOME}/*`],
    outdir: OUTPUT,
    outExtension: { '.js': '.mjs' },
    banner: { js: BANNER },
    // CommonJS that asks where it is: at the place of all
    define: { __dirname: JSON.stringify(`/${HOME}`) },
    plugins: [ownFiles(version), nativeModules],
  }
}

/** Our sources: the version that is packaged, and paths as the package has them. */
function ownFiles(version: string): Plugin {
  return {
    name: 'own files',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const own = relative(ROOT, path)
        if (own.includes('node_modules/')) return null
        const text = /^(?:appliance|host-agent)\/version\.ts$/.test(own)
          ? `export const VERSION = ${JSON.stringify(version)}`
          : namedImports(movePaths(own, await readFile(path, 'utf8')))
        return { contents: text, loader: 'ts' }
      }),
  }
}

/**
 * Node finds the names that a CommonJS package exports; what esbuild puts into a file of its own has its exports as `default` alone.
 * Whoever loads such a package late gets the names as from Node.
 */
function namedImports(text: string): string {
  return text.replace(
    /(?<!typeof |: )\bimport\('(?!node:)[^.'][^']*'\)/g,
    found => `${found}.then(found => ({ ...found.default, ...found }))`,
  )
}

/** The two packages with native modules look for theirs in many places; here each is where {@link NATIVE} says. */
const nativeModules: Plugin = {
  name: 'native modules',
  setup: ({ onLoad }) => {
    const load = (path: string) => `require(${JSON.stringify(`/${HOME}/${path}`)})`
    onLoad({ filter: /\/node_modules\/usb\/index\.js$/ }, () => ({
      contents: `module.exports = ${load(NATIVE.usb)}`,
    }))
    onLoad({ filter: /\/node_modules\/node-gyp-build\/index\.js$/ }, () => ({
      contents: `module.exports = () => ${load(NATIVE.serialport)}`,
    }))
  },
}
