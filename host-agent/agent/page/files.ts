/**
 * The files of the page: those of `web/`, found by going through the folder, and of packages what a list names. A path that is asked for
 * is only ever looked up among them, so none leads elsewhere.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const WEB = fileURLToPath(new URL('./web/', import.meta.url))

/** Types by the end of the name; what has none of these is not served. */
const TYPES: { [end: string]: string } = {
  '.ts': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
}

const LIT_PARTS = ['async-directive', 'directive', 'directive-helpers']
const LIT_DIRECTIVES = [
  'cache',
  'class-map',
  'guard',
  'if-defined',
  'keyed',
  'live',
  'ref',
  'repeat',
  'style-map',
  'when',
]

/** What a bare import names, and where in its package it is; served below `/vendor/`. */
const VENDOR: ReadonlyMap<string, string> = new Map([
  ['lit-html', 'lit-html/lit-html.js'],
  ...LIT_PARTS.map(part => [`lit-html/${part}.js`, `lit-html/${part}.js`] as const),
  ...LIT_DIRECTIVES.map(
    part => [`lit-html/directives/${part}.js`, `lit-html/directives/${part}.js`] as const,
  ),
  ['uplot', 'uplot/dist/uPlot.esm.js'],
  ['uplot/dist/uPlot.min.css', 'uplot/dist/uPlot.min.css'],
])

/** Where each is served: the way of the package, but for uPlot without its `dist`. */
const vendorPath = (file: string) => `/vendor/${file.replace('uplot/dist/', 'uplot/')}`

/** A file as it is sent. */
export interface Served {
  type: string
  body: Buffer
}

/** The files of a folder. */
export class Files {
  /** Path that is asked for → path on the disk. */
  readonly #paths: ReadonlyMap<string, string>
  /** By path on the disk. A page of a shop with sixty frames asks for each file sixty times. */
  readonly #stripped = new Map<string, { mtimeMs: number; body: Buffer }>()

  private constructor(paths: ReadonlyMap<string, string>) {
    this.#paths = paths
  }

  /** @param folder - with `index.html` and `field.html`, which are documents and not served as files */
  static async open(folder: string = WEB): Promise<Files> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
    const own = entries.flatMap(entry => {
      const path = join(entry.parentPath, entry.name)
      const isServed = entry.isFile() && typeOf(entry.name) !== undefined && !entry.name.endsWith('.d.ts')
      return isServed
        ? [[`/${path.slice(join(folder, '/').length).split(sep).join('/')}`, path] as const]
        : []
    })
    const require = createRequire(import.meta.url)
    const vendor = [...new Set(VENDOR.values())].flatMap(file => {
      const package_ = file.split('/')[0]!
      try {
        const entry = require.resolve(package_)
        const root = entry.slice(0, entry.lastIndexOf(`${sep}${package_}${sep}`) + package_.length + 2)
        return [[vendorPath(file), join(root, ...file.split('/').slice(1))] as const]
      } catch {
        // in a package the page is one bundle
        return []
      }
    })
    return new Files(
      new Map([
        ...vendor,
        ...own,
        ['index.html', join(folder, 'index.html')],
        ['field.html', join(folder, 'field.html')],
      ]),
    )
  }

  /** @returns `null` where there is no such file */
  async read(path: string): Promise<Served | null> {
    const file = path.startsWith('/') ? this.#paths.get(path) : undefined
    if (file === undefined) return null
    return {
      type: typeOf(file)!,
      body: file.endsWith('.ts') ? await this.#strip(file) : await readFile(file),
    }
  }

  async #strip(file: string): Promise<Buffer> {
    const { mtimeMs } = await stat(file)
    const known = this.#stripped.get(file)
    if (known?.mtimeMs === mtimeMs) return known.body
    const body = Buffer.from(await toJavaScript(await readFile(file, 'utf8')))
    this.#stripped.set(file, { mtimeMs, body })
    return body
  }

  /** Text of a document; `null` where the page was not built. */
  async document(name: 'index.html' | 'field.html'): Promise<string | null> {
    return readFile(this.#paths.get(name)!, 'utf8').catch(() => null)
  }
}

function typeOf(name: string): string | undefined {
  return TYPES[/\.[a-z]+$/.exec(name)?.[0] ?? '']
}

/** Strips the types, and leads bare imports to where their files are served. */
export async function toJavaScript(source: string): Promise<string> {
  const { stripTypeScriptTypes } = await import('node:module')
  return leadImports(stripTypeScriptTypes(source))
}

/** What is imported by name and is not on the list stays as it is, and fails in the browser. */
export function leadImports(source: string): string {
  return source.replace(
    /(\bfrom\s*|\bimport\s*\(?\s*)(['"])([a-z][^'"\n]*)\2/g,
    (whole, before: string, quote: string, name: string) => {
      const file = VENDOR.get(name)
      return file === undefined ? whole : `${before}${quote}${vendorPath(file)}${quote}`
    },
  )
}
