/** The agent's page as static files: each script of a document and what it imports becomes one, with what it loads late in others. */
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { build } from 'esbuild'
import { packagesOf } from '../../image-build/bundle.ts'
import { ROOT } from './bundle.ts'

/** What was bundled for the browser. */
export interface Page {
  /** By path, as it is asked for. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** As in `Bundle`. */
  readonly npm: readonly string[]
}

const WEB = 'host-agent/agent/page/web'
/** A script that a document names. */
const SCRIPT = /\bsrc="\/?([\w/.-]+)\.ts"/g
/** Beside the scripts. */
const PLOT_STYLE = 'vendor/uplot/uPlot.min.css'

/** @returns nothing where there is no page to bundle */
export async function bundlePage(): Promise<Page> {
  const names = await readdir(join(ROOT, WEB), { recursive: true }).catch(() => [])
  const files = new Map<string, Uint8Array>()
  const entries = new Set<string>()
  for (const name of names.filter(name => /\.(?:html|css|svg|png)$/.test(name)).sort()) {
    const bytes = await readFile(join(ROOT, WEB, name))
    if (!name.endsWith('.html')) files.set(name, bytes)
    else {
      const text = bytes.toString('utf8')
      for (const [, script] of text.matchAll(SCRIPT)) entries.add(script!)
      files.set(name, Buffer.from(text.replace(SCRIPT, 'src="/$1.js"')))
    }
  }
  if (entries.size === 0) return { files: new Map(), npm: [] }
  files.set(PLOT_STYLE, await readFile(join(ROOT, 'node_modules/uplot/dist/uPlot.min.css')))
  const output = join(ROOT, 'page')
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries([...entries].map(entry => [entry, `./${WEB}/${entry}.ts`])),
    outdir: output,
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    minifySyntax: true,
    minifyWhitespace: true,
    charset: 'ascii',
    legalComments: 'eof',
    logLevel: 'silent',
    write: false,
    metafile: true,
  })
  for (const { path, contents } of outputFiles) files.set(relative(output, path), contents)
  return { files, npm: packagesOf(Object.keys(metafile.inputs)) }
}
