/** The appliance's scripts as the device runs them: one file each, plain JavaScript, since `--jitless` node strips no types. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImageError } from './errors.ts'
import { ROOT } from './places.ts'
import { runBytes } from './run.ts'

/** Each script and its entry. */
export const ENTRIES: Record<string, string> = {
  keeper: 'appliance/keeper/main.ts',
  gate: 'appliance/gate/main.ts',
  health: 'appliance/health/main.ts',
  gadget: 'appliance/gadget/main.ts',
  network: 'image-build/device/network.ts',
}

/** What was bundled. */
export interface Bundle {
  /** By name, without `.mjs`. */
  readonly scripts: ReadonlyMap<string, Uint8Array>
  /** Directories of npm packages that are in them, as `package-lock.json` calls them. */
  readonly npm: readonly string[]
}

/** Packages that were written for `require` find one. */
const BANNER =
  "import{createRequire as __deviceRequire}from'node:module';const require=__deviceRequire(import.meta.url);"

/** @throws ImageError where esbuild is missing or finds something wrong */
export async function bundle(): Promise<Bundle> {
  const output = await mkdtemp(join(tmpdir(), 'claviger-bundle-'))
  try {
    const meta = join(output, 'meta.json')
    const entries = Object.entries(ENTRIES).map(([name, path]) => `${name}=${path}`)
    const args = [
      ...[...entries, '--bundle', '--platform=node', '--format=esm', '--target=node24'],
      ...[
        '--minify-whitespace',
        '--minify-syntax',
        // V8 reads what has one byte for each character faster
        '--charset=ascii',
        '--legal-comments=eof',
        '--log-level=error',
      ],
      ...['--out-extension:.js=.mjs', `--outdir=${output}`, `--metafile=${meta}`, `--banner:js=${BANNER}`],
      // CommonJS that asks where it is: at the place of all
      '--define:__dirname="/usr/lib/claviger"',
      // the native module is found at a fixed place (device/native.ts)
      '--alias:node-gyp-build=./image-build/device/native.ts',
    ]
    await runBytes(esbuild(), args, undefined, { cwd: ROOT })
    const scripts = new Map<string, Uint8Array>()
    for (const name of Object.keys(ENTRIES)) scripts.set(name, await readFile(join(output, `${name}.mjs`)))
    const { inputs } = JSON.parse(await readFile(meta, 'utf8')) as { inputs: Record<string, unknown> }
    return { scripts, npm: packagesOf(Object.keys(inputs)) }
  } finally {
    await rm(output, { recursive: true })
  }
}

/** `node_modules/a/node_modules/@b/c/d.js` is of `node_modules/a/node_modules/@b/c`. */
export function packagesOf(inputs: readonly string[]): string[] {
  const found = inputs.flatMap(
    path => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? [],
  )
  return [...new Set(found)].sort()
}

/** The program itself: esbuild's own script only starts it. */
function esbuild(): string {
  const named = process.env.CLAVIGER_ESBUILD
  const path = named ?? join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`)
  if (!existsSync(path)) throw new ImageError('esbuild is not installed', { hint: 'run npm ci' })
  return path
}
