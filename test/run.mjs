/**
 * `npm test`: lint, then every test file under tap, then one line with the totals. A test that needs a program that is
 * not installed is a visible skip; with `CI` set it is a failure.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pageFaults } from './compatibility/check.ts'
import { BUNDLES, bundlePrograms } from './support/bundled.ts'
import { NOTES_FILE } from './support/compatibility.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const files = process.argv.slice(2)
const all = () => globSync('test/**/*.test.ts', { cwd: root }).sort()
/** How many of the files that take longest are named. */
const SLOWEST = 8
const totals = { pass: 0, fail: 0, skip: 0 }

function run(args, stdout = 'inherit') {
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', stdout, 'inherit'] }).status === 0
}

if (files.length === 0) totals[run(['test/lint/main.ts']) ? 'pass' : 'fail']++

const directory = mkdtempSync(join(tmpdir(), 'claviger-test-'))
const output = join(directory, 'output.tap')
process.env[NOTES_FILE] ??= join(directory, 'notes')
process.env[BUNDLES] ??= await bundlePrograms()
const printed = openSync(output, 'w')
const succeeded = run(['test/files.ts', ...(files.length > 0 ? files : all())], printed)
closeSync(printed)
const tap = readFileSync(output, 'utf8')

// tap's last comment holds the totals: # { total: 18, pass: 17, skip: 1 }
const summary = [...tap.matchAll(/^# \{(.*)\}$/gm)].at(-1)?.[1] ?? ''
for (const [, name, count] of summary.matchAll(/(\w+): (\d+)/g))
  if (name in totals) totals[name] += Number(count)
for (const [line] of tap.matchAll(/^ *ok \d+.*# SKIP.*$/gm)) process.stdout.write(`skipped: ${line.trim()}\n`)
for (const [line] of tap.matchAll(/^ *not ok .*(?:\n +---(?:\n.*)*?\n +\.\.\.)?/gm))
  process.stdout.write(`${line}\n`)
const took = [...tap.matchAll(/^(?:not )?ok \d+ - (\S+) # time=([\d.]+)(ms|s|m)\b/gm)]
  .map(([, file, time, unit]) => ({ file, seconds: Number(time) * { ms: 0.001, s: 1, m: 60 }[unit] }))
  .sort((a, b) => b.seconds - a.seconds)
for (const { file, seconds } of took.slice(0, SLOWEST))
  process.stdout.write(`slowest: ${Math.round(seconds)} s ${file}\n`)
if (!succeeded && totals.fail === 0) totals.fail = 1
if (totals.pass === 0) totals.fail ||= 1
if (files.length === 0 && totals.fail === 0) {
  const faults = pageFaults(process.env[NOTES_FILE])
  for (const line of faults) process.stdout.write(`${line}\n`)
  if (faults.length > 0 && process.env.CI) totals.fail++
}
rmSync(directory, { recursive: true })
process.stdout.write(
  `${totals.pass} passed, ${totals.fail} failed${totals.skip ? `, ${totals.skip} skipped` : ''}\n`,
)
process.exit(totals.fail > 0 ? 1 : 0)
