/**
 * Runs test files under tap, two at a time, and prints TAP; a line for each file that ends goes to standard error. Not `tap run`,
 * because that puts loaders and source maps into each test, for coverage and mocks that nobody here asks for: a file then costs a
 * second before its first assertion.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const JOBS = 2
const TIMEOUT_S = 240
/** So many characters of what a failed file wrote to standard error are shown. */
const SHOWN = 4000

/**
 * tap tells every process that it starts to load its hooks, and to tell its own processes so, by these. TypeScript's compiler, for one, does
 * not start with them.
 */
const HOOKS = ['ROOT', 'PARENT', 'CWD', 'EXCLUDE', 'COVERAGE'].map(name => `_TAPJS_PROCESSINFO_${name}_`)
const UNHOOKED = ['NODE_OPTIONS', ...HOOKS].flatMap(name => ['-u', name])

const errors = mkdtempSync(join(tmpdir(), 'claviger-stderr-'))
t.setTimeout(0)
t.jobs = JOBS
let ended = 0

/**
 * Where `python3` is a script that first looks for the Python that is meant, as pyenv's is, each start costs half a second: that
 * Python's own directory goes before the script's.
 */
function pathToPython(): string {
  const path = (process.env.PATH ?? '').split(delimiter)
  const { stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' })
  const at = path.findIndex(directory => existsSync(join(directory, 'python3')))
  if (stdout && at >= 0) path.splice(at, 0, dirname(stdout.trim()))
  return path.join(delimiter)
}

const env = {
  ...process.env,
  PATH: pathToPython(),
  TAP_TIMEOUT: String(TIMEOUT_S),
  NO_COLOR: '1',
  FORCE_COLOR: '0',
}

async function run(name: string, count: number): Promise<void> {
  const path = join(errors, name.replaceAll('/', '_'))
  const stderr = openSync(path, 'w')
  const results = await t.spawn('env', [...UNHOOKED, process.execPath, join(ROOT, name)], {
    ...{ name, cwd: ROOT, buffered: true, timeout: TIMEOUT_S * 1000, at: null, stack: '' },
    env,
    stdio: ['ignore', 'pipe', stderr],
  })
  closeSync(stderr)
  process.stderr.write(`${++ended}/${count} ${results?.ok ? 'passed' : 'FAILED'} ${name}\n`)
  if (!results?.ok) process.stderr.write(readFileSync(path, 'utf8').slice(-SHOWN))
}

const names = process.argv.slice(2).map(file => relative(ROOT, resolve(file)))
t.plan(names.length)
try {
  await Promise.all(names.map(name => run(name, names.length)))
} finally {
  rmSync(errors, { recursive: true })
}
