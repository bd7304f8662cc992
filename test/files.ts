/**
 * Runs test files under tap, two at a time, and prints TAP; a line for each file that ends goes to standard error. Not `tap run`,
 * because that puts loaders and source maps into each test, for coverage and mocks that nobody here asks for: a file then costs a
 * second before its first assertion.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bareNode } from './support/environment.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const JOBS = 2
const TIMEOUT_S = 240
/** So many characters of what a failed file wrote to standard error are shown. */
const SHOWN = 4000

const errors = mkdtempSync(join(tmpdir(), 'claviger-stderr-'))
t.setTimeout(0)
t.jobs = JOBS
let ended = 0

async function run(name: string, count: number): Promise<void> {
  const path = join(errors, name.replaceAll('/', '_'))
  const stderr = openSync(path, 'w')
  const [program, args] = bareNode(join(ROOT, name))
  const results = await t.spawn(program, args, {
    ...{ name, cwd: ROOT, buffered: true, timeout: TIMEOUT_S * 1000, at: null, stack: '' },
    env: { ...process.env, TAP_TIMEOUT: String(TIMEOUT_S), NO_COLOR: '1', FORCE_COLOR: '0' },
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
