/** `npm run lint`: format and lint rules, types, the arrows between folders, and words that must not stand here. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { faultOf } from './arrows.ts'
import { importsOf } from './imports.ts'
import { complaintsAbout } from './words.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const files = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .stdout.split('\n')
  .filter(Boolean)

const complaints: string[] = []
for (const path of files) {
  if (path === 'package-lock.json' || /\.(png|ico|pdf)$/.test(path)) continue
  const text = readFileSync(`${root}${path}`, 'utf8')
  complaints.push(...complaintsAbout(path, text))
  if (!/\.(ts|mjs)$/.test(path)) continue
  for (const found of importsOf(path, text)) {
    const fault = faultOf(found)
    if (fault) complaints.push(`${path}: ${fault} (${found.to})`)
  }
}
for (const complaint of complaints) process.stderr.write(`claviger: ${complaint}\n`)

const bin = (name: string) => `${root}node_modules/.bin/${name}`
const steps: [string, string[]][] = [
  [bin('biome'), ['ci', '--error-on-warnings', '.']],
  [bin('tsc'), []],
  // what a browser runs knows a browser's names, and none of Node's
  [bin('tsc'), ['-p', 'host-agent/agent/page/web']],
]
let failed = complaints.length > 0
for (const [command, args] of steps)
  failed = spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0 || failed
process.exit(failed ? 1 : 0)
