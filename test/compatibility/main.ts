/**
 * `npm run compatibility`: runs the test files that note what programs of others do, and makes `docs/compatibility.md` of it. Everything that
 * they need must be there, as where `CI` is set: else the page would lose what this machine lacks.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NOTES_FILE } from '../support/compatibility.ts'
import { PAGE } from './check.ts'
import { notingFiles } from './files.ts'
import { formatPage } from './page.ts'
import { readNotes, rowsOf } from './rows.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

function fail(message: string): never {
  process.stderr.write(`claviger: ${message}\n`)
  process.exit(1)
}

const directory = mkdtempSync(join(tmpdir(), 'claviger-compatibility-'))
process.once('exit', () => rmSync(directory, { recursive: true }))
const path = join(directory, 'notes')
const env = { ...process.env, CI: 'true', [NOTES_FILE]: path }
const run = spawnSync(process.execPath, ['test/run.mjs', ...notingFiles(root)], {
  cwd: root,
  stdio: 'inherit',
  env,
})
if (run.status !== 0) fail('nothing was written, because not all of it passed')
const { notes, absent } = readNotes(existsSync(path) ? readFileSync(path, 'utf8') : '')
for (const { door, program } of absent)
  fail(`nothing was written, because a version of ${program} for ${door} is missing`)
const rows = rowsOf(notes)
writeFileSync(PAGE, formatPage(rows))
process.stdout.write(`${rows.length} rows in docs/compatibility.md\n`)
