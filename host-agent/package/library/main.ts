/** `npm run library`: makes the JavaScript library as a package that npm installs from its file. docs/client.md. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ImageError } from '../../../image-build/errors.ts'
import { VERSION } from '../../version.ts'
import { sourceDate } from '../source-date.ts'
import { makeLibrary, packLibrary } from './library.ts'

const USAGE = `npm run library -- [--out DIR]

  --out DIR  where (unless said: library)

Times in the package are SOURCE_DATE_EPOCH, or else that of the newest commit.
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: 'library' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const bytes = packLibrary(await makeLibrary(VERSION), sourceDate())
  const path = join(resolve(values.out), `claviger-${VERSION}.tgz`)
  await mkdir(values.out, { recursive: true })
  await writeFile(path, bytes)
  process.stdout.write(`${path}  ${(bytes.length / 1e3).toFixed(0)} KB\n`)
}

try {
  await main()
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  if (!(error instanceof ImageError) && code === undefined) throw error
  process.stderr.write(`library: ${message}\n`)
  const hint = error instanceof ImageError ? error.hint : undefined
  if (hint) process.stderr.write(`hint: ${hint}\n`)
  process.exitCode = code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
}
