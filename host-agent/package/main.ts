/** `npm run package`: makes the Debian packages of the host agent. docs/install.md, docs/decisions/deb.md. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ImageError } from '../../image-build/errors.ts'
import { Cache, cacheDirectory } from '../../image-build/fetch/cache.ts'
import { Progress } from '../../image-build/fetch/progress.ts'
import { parseLevel, RELEASE_LEVEL } from '../../image-build/level.ts'
import type { Machine } from '../../image-build/tree/elf.ts'
import { VERSION } from '../version.ts'
import { buildDeb, bundleScripts } from './build.ts'
import { sourceDate } from './source-date.ts'

const USAGE = `npm run package -- [--arch amd64|arm64]… [--out DIR] [--level N] [--offline] [--set-version VERSION]

  --arch         only this one; both unless told
  --out DIR      where (unless said: deb)
  --level N      of compression, 1 to 22 (default 19)
  --offline      take what npm has to give from the cache only
  --set-version  another version than that of package.json

Times in the package are SOURCE_DATE_EPOCH, or else that of the newest commit.
`
const ARCHITECTURES = ['amd64', 'arm64'] as const satisfies Machine[]

const options = {
  arch: { type: 'string', multiple: true },
  out: { type: 'string', default: 'deb' },
  level: { type: 'string', default: String(RELEASE_LEVEL) },
  offline: { type: 'boolean', default: false },
  'set-version': { type: 'string', default: VERSION },
  help: { type: 'boolean' },
} as const

async function main(): Promise<void> {
  const { values } = parseArgs({ options })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const wanted = ARCHITECTURES.filter(name => values.arch?.includes(name) ?? true)
  const odd = values.arch?.find(name => !ARCHITECTURES.some(known => known === name))
  if (odd !== undefined)
    throw new ImageError(`there is no package for ${odd}`, { hint: 'say amd64 or arm64' })
  const level = parseLevel(values.level)
  const version = values['set-version']
  if (!/^\d[A-Za-z0-9.+~]{0,60}$/.test(version)) throw new ImageError(`${version} is not a version`)
  const progress = new Progress(process.stderr)
  const cache = new Cache(cacheDirectory(process.env))
  const build = { version, time: sourceDate(), level, cache, progress, offline: values.offline }

  progress.say('bundle the command line, the page, the library and the appliance of the demo')
  const scripts = await bundleScripts(version)
  if (scripts.page.files.size === 0)
    progress.say('there is no page in host-agent/agent/page/web: the package has none')
  await mkdir(values.out, { recursive: true })
  for (const architecture of wanted) {
    const { name, bytes } = await buildDeb(architecture, scripts, build)
    const path = join(resolve(values.out), name)
    await writeFile(path, bytes)
    const sum = createHash('sha256').update(bytes).digest('hex')
    process.stdout.write(`${sum}  ${path}  ${(bytes.length / 1e6).toFixed(1)} MB\n`)
  }
}

try {
  await main()
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  if (!(error instanceof ImageError) && code === undefined) throw error
  process.stderr.write(`package: ${message}\n`)
  const hint = error instanceof ImageError ? error.hint : undefined
  if (hint) process.stderr.write(`hint: ${hint}\n`)
  process.exitCode = code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
}
