/**
 * `npm run reference`: writes docs/client/*.md from the declarations of the library, with TypeDoc. A test keeps what is committed current, and
 * what TypeDoc complains of is an error: an export without a comment, a link that leads nowhere, a type that is named and not exported.
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TypeDocOptions } from 'typedoc'
import { ImageError } from '../../../image-build/errors.ts'
import { ROOT } from '../bundle.ts'
import { DOORS, declarations } from './declarations.ts'

/** Where the reference is in the repository. */
export const REFERENCE = join(ROOT, 'docs/client')

const OPTIONS = {
  name: 'claviger',
  plugin: ['typedoc-plugin-markdown'],
  readme: 'none',
  disableGit: true,
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases'],
  sort: ['alphabetical'],
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  requiredToBeDocumented: ['Class', 'Interface', 'TypeAlias', 'Function', 'Variable', 'Method', 'Accessor'],
} satisfies TypeDocOptions

/** Of typedoc-plugin-markdown: one page for each door, and members as tables. */
const MARKDOWN = {
  outputFileStrategy: 'modules',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  entryFileName: 'README.md',
  fileExtension: '.md',
  useCodeBlocks: true,
  expandObjects: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
}

/**
 * The pages of the reference, by their names.
 *
 * @throws ImageError with what TypeDoc complains of
 */
export async function reference(): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-reference-'))
  try {
    for (const [path, text] of await declarations()) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const doors = Object.values(DOORS).map(path => join(folder, path.replace(/\.ts$/, '.d.ts')))
    const compilerOptions = { target: 'es2024', module: 'nodenext', types: ['node'], skipLibCheck: true }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: doors }))
    await runTypeDoc({
      ...OPTIONS,
      ...MARKDOWN,
      entryPoints: doors,
      tsconfig: join(folder, 'tsconfig.json'),
      basePath: folder,
      outputs: [{ name: 'markdown', path: join(folder, 'out') }],
    } as Partial<TypeDocOptions>)
    const pages = Object.keys(DOORS).map(async door => {
      const name = `${door}.md`
      return [name, await readFile(join(folder, 'out', name), 'utf8')] as const
    })
    return new Map(await Promise.all(pages))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runTypeDoc(options: Partial<TypeDocOptions>): Promise<void> {
  // TypeDoc reads programs with the compiler's JavaScript, which TypeScript 7 does not have
  const hooks = registerHooks({
    resolve: (name, context, next) => next(name === 'typescript' ? 'typescript-6' : name, context),
  })
  try {
    const { Application, Converter, Logger, ReflectionKind } = await import('typedoc')
    const complaints: string[] = []
    class Collecting extends Logger {
      override log(message: string, level: number): void {
        super.log(message, level)
        if (level >= 2) complaints.push(message)
      }
    }
    const app = await Application.bootstrapWithPlugins(options)
    app.logger = new Collecting()
    // whoever uses the library is given objects, and makes none
    app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
      for (const found of project.getReflectionsByKind(ReflectionKind.Constructor))
        project.removeReflection(found)
    })
    const project = await app.convert()
    if (project) {
      app.validate(project)
      await app.generateOutputs(project)
    }
    if (!project || complaints.length > 0)
      throw new ImageError(`TypeDoc complains:\n${complaints.join('\n')}`)
  } finally {
    hooks.deregister()
  }
}

if (import.meta.main) {
  await mkdir(REFERENCE, { recursive: true })
  for (const [name, text] of await reference()) await writeFile(join(REFERENCE, name), text)
}
