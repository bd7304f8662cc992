/**
 * `npm run bench [-- --only NAME] [-- --json]`: every figure as a ratio to a floor that was measured in the same run.
 * Nothing is asserted; `docs/performance.md` keeps the figures.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { Figure } from './figure.ts'

const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean' } } })
// As the key process is started: its own thread and the pool are as many as there are cores.
process.env.UV_THREADPOOL_SIZE = String(Math.max(1, availableParallelism() - 1))
const suites = await Promise.all([
  import('./envelope.ts'),
  import('./lan.ts'),
  import('./link.ts'),
  import('./processes.ts'),
])
const all = suites.flatMap(({ figures }) => figures)
const chosen = all.filter(({ name }) => !values.only || name === values.only)
if (chosen.length === 0) {
  process.stderr.write(
    `claviger: there is no figure ${values.only}\nhint: ${all.map(({ name }) => name).join(', ')}\n`,
  )
  process.exit(2)
}

const results: Figure[] = []
for (const { run } of chosen) {
  const figure = await run()
  results.push(figure)
  if (!values.json) process.stdout.write(`${line(figure)}\n`)
}
if (values.json) process.stdout.write(`${JSON.stringify({ figures: results })}\n`)
process.exit(0)

function line({ name, value, unit, floor, bar, better }: Figure): string {
  const reached = bar === null || (better === 'higher' ? value >= bar : value <= bar)
  const goal =
    bar === null ? '' : `${reached ? 'reached' : 'MISSED '}  bar ${better === 'higher' ? '≥' : '≤'} ${bar}`
  return `${name.padEnd(20)}${value.toFixed(2).padStart(9)} ${unit.padEnd(5)} floor ${floor.toPrecision(4).padEnd(9)} ${goal}`
}
