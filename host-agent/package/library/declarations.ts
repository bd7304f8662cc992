/**
 * What an editor reads of the library: declarations of its doors and of what those lead to, made by the compiler from a copy of the sources
 * in which the schemas are plain types, and each method of a device says its route and its refusals.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { text } from 'node:stream/consumers'
import { ImageError } from '../../../image-build/errors.ts'
import { ERRORS, type ErrorCode } from '../../../protocol/api/errors.ts'
import { ANY_ROUTE, problemsOf } from '../../../protocol/api/route-problems.ts'
import * as routes from '../../../protocol/api/routes.ts'
import { ROOT } from '../bundle.ts'
import { schemaTypes } from './schema-types.ts'

/** The doors of the library: what `claviger/NAME` is. */
export const DOORS: Readonly<Record<string, string>> = {
  client: 'host-agent/client/index.ts',
  seal: 'host-agent/seal/index.ts',
}

/** What the copy has other than the sources. */
const CHANGES: Readonly<Record<string, (source: string) => string>> = {
  'protocol/api/schemas.ts': schemaTypes,
  'protocol/api/routes.ts': withWords,
  'protocol/api/errors.ts': withCodes,
  'host-agent/client/appliance.ts': withRoutes,
  'host-agent/client/index.ts': withParts,
}

/** What is compiled; the doors lead to nothing else. */
const SOURCES = ['protocol', 'host-agent/client', 'host-agent/seal', 'package.json']

const COMPILER = {
  target: 'es2024',
  lib: ['es2024', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  skipLibCheck: true,
  declaration: true,
  emitDeclarationOnly: true,
  stripInternal: true,
  rootDir: '.',
  outDir: 'types',
}

/**
 * The declarations, by their paths in the repository: `host-agent/client/index.d.ts` and so on.
 *
 * @throws ImageError with what the compiler says
 */
export async function declarations(): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-types-'))
  try {
    for (const path of SOURCES) await cp(join(ROOT, path), join(folder, path), { recursive: true })
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    for (const [path, change] of Object.entries(CHANGES)) {
      const file = join(folder, path)
      await writeFile(file, change(await readFile(file, 'utf8')))
    }
    const project = { compilerOptions: COMPILER, files: Object.values(DOORS) }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project))
    await compile(folder)
    return reached(await read(join(folder, 'types')))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compile(folder: string): Promise<void> {
  const child = spawn(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const [said, status] = await Promise.all([text(child.stdout), ended])
  if (status !== 0) throw new ImageError(`the types of the library cannot be made:\n${said}`)
}

async function read(folder: string): Promise<Map<string, string>> {
  const found = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.d.ts')).sort()
  const texts = found.map(async name => [name, await readFile(join(folder, name), 'utf8')] as const)
  return new Map(await Promise.all(texts))
}

/** Where declarations name each other. */
const NAMED = /((?:from |import\()(["'])(\.{1,2}\/[^"'\n]+))\.ts\2/g

/** A method that is written as an arrow: for a reader it is a method. */
const ARROW = /^( {4}\w+): (\([^\n]*\)) => (Promise<)/gm

/** Those that the doors lead to, which name each other as a program would that was compiled. */
function reached(all: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Set(Object.values(DOORS))
  for (const path of found)
    for (const [, , , named] of textOf(all, path).matchAll(NAMED))
      found.add(posix.join(posix.dirname(path), `${named}.ts`))
  const entries = [...found].sort().map(path => {
    const text = textOf(all, path).replace(NAMED, '$1.js$2').replace(ARROW, '$1$2: $3')
    return [path.replace(/\.ts$/, '.d.ts'), text] as const
  })
  return new Map(entries)
}

function textOf(all: ReadonlyMap<string, string>, source: string): string {
  const text = all.get(source.replace(/\.ts$/, '.d.ts'))
  if (text === undefined) throw new ImageError(`the compiler made no declarations of ${source}`)
  return text
}

const LISTS: ReadonlyMap<string, unknown> = new Map(Object.entries(routes))

/** The source of the routes, in which types say the words of their lists, and have their comments. */
function withWords(source: string): string {
  return source.replace(
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)(export const (\w+) = (?:(?! as const\n)[\s\S])* as const\n)export type (\w+) = \(typeof \3\)\[number\]/g,
    (_, comment: string, list: string, name: string, type: string) =>
      `${comment}${list}${comment}export type ${type} = ${union(LISTS.get(name) as string[])}`,
  )
}

/** The source of the errors, in which the type of codes says what they are and mean. */
function withCodes(source: string): string {
  const list = Object.entries(ERRORS).map(([code, { title }]) => ` * - \`${code}\`: ${title}\n`)
  return source.replace(
    /\/\*\*[^/]*\*\/\nexport type ErrorCode = .*/,
    () =>
      `/**\n * Why something was refused or failed. A code is stable; go by it, not by the message.\n *\n${list.join('')} */\n` +
      `export type ErrorCode = ${union(Object.keys(ERRORS))}`,
  )
}

function union(words: readonly string[]): string {
  return words.map(word => JSON.stringify(word)).join(' | ')
}

/** The door to the client, in which parts of bodies and answers are types of their own. */
function withParts(source: string): string {
  return source.replace(
    /(?:\/\*\*[^/]*\*\/\n)?export type (\w+) = .*\n/g,
    "export type { $1 } from '../../protocol/api/schemas.ts'\n",
  )
}

/** A comment, and the method of `Appliance` after it, up to the name of its route. */
const METHOD =
  /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/(\n {2}\w+ = \([^\n]*\) =>\s+this\.#caller\.(?:call<[^\n]*>|text)\('(\w+)')/g

/** The source of `Appliance` with what the table of routes knows in the comments of its methods. */
function withRoutes(source: string): string {
  let count = 0
  const told = source.replace(METHOD, (_, comment: string, method: string, name: routes.RouteName) => {
    count++
    const lines = comment
      .trim()
      .split('\n')
      .map(line => line.replace(/^ *\* ?/, '').trim())
    if (lines.at(-1) === '') lines.pop()
    if (lines[0] === '') lines.shift()
    const tag = lines.findIndex(line => line.startsWith('@'))
    const own = problemsOf(name).filter(code => !ANY_ROUTE.includes(code))
    lines.splice(tag < 0 ? lines.length : tag, 0, ...routeOf(name, tag >= 0))
    if (own.length > 0) lines.push(...(tag < 0 ? [''] : []), `@throws {@link ApplianceError} ${codes(own)}`)
    return `/**\n${lines.map(line => `   * ${line}\n`).join('')}   */${method}`
  })
  const calls = source.match(/this\.#caller\.(?:call<|text\()/g)?.length
  if (count !== calls)
    throw new ImageError(`of ${calls} methods of a device ${count} have a comment that ends before them`)
  const all = `Each may be refused with ${codes(ANY_ROUTE)}; what else, it says.`
  return told.replace(
    / \*\n \* @throws [^\n]*\n \*\/\nexport class Appliance/,
    found => ` * ${all}\n${found}`,
  )
}

/** @param goesOn - whether tags follow */
function routeOf(name: routes.RouteName, goesOn: boolean): string[] {
  const { method, path, roles, states }: routes.Route = routes.ROUTES[name]
  const whose = routes.ROLES.every(role => roles.includes(role)) ? 'any role' : roles.join(', ')
  const when = states.length === routes.STATES.length ? 'in any state' : `while ${states.join(', ')}`
  const line = `\`${method} ${path}\`, for ${whose}, ${when}.`
  return goesOn ? [line, ''] : ['', line]
}

function codes(list: readonly ErrorCode[]): string {
  return list.map(code => `\`${code}\``).join(', ')
}
