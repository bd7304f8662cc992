/**
 * `npm run bench [-- --only NAME] [-- --json]`: every figure as a ratio to a floor that was measured in the same run.
 * Nothing is asserted; `docs/performance.md` keeps the figures.
 *
 * Each figure has a process of its own, so that none is measured in the leftovers of another.
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Figure } from './figure.ts'

const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean' } } })

const POOL = String(Math.max(1, availableParallelism() - 1))

/** Which file measures a figure. */
const FIGURES: Record<string, () => Promise<{ figures: { name: string; run: () => Promise<Figure> }[] }>> = {
  'hpke-open': () => import('./envelope.ts'),
  'hpke-batch': () => import('./envelope.ts'),
  'hpke-peer': () => import('./envelope.ts'),
  'field-open': () => import('./envelope.ts'),
  'field-open-p': () => import('./envelope.ts'),
  'field-open-q': () => import('./envelope.ts'),
  'rsa-open': () => import('./envelope.ts'),
  'jwe-batch': () => import('./jwe.ts'),
  'batch-lan': () => import('./lan.ts'),
  'single-lan': () => import('./lan.ts'),
  'single-lan-chain': () => import('./lan.ts'),
  'serial-latency': () => import('./link.ts'),
  'serial-latency-port': () => import('./link.ts'),
  'link-throughput': () => import('./link.ts'),
  'link-throughput-port': () => import('./link.ts'),
  'link-fairness': () => import('./link.ts'),
  'link-latency': () => import('./serial.ts'),
  'link-latency-port': () => import('./serial.ts'),
  'link-latency-raw': () => import('./serial.ts'),
  'pkcs11-rsa': () => import('./pkcs11.ts'),
  'pkcs11-rsa-single': () => import('./pkcs11.ts'),
  'audit-cost': () => import('./guard.ts'),
  'group-commit': () => import('./guard.ts'),
  'group-commit-card': () => import('./guard.ts'),
  'audit-verify': () => import('./audit.ts'),
  'audit-replay': () => import('./audit.ts'),
  'audit-proof': () => import('./audit.ts'),
  'shop-seal': () => import('./shop.ts'),
  'shop-rewrap': () => import('./shop.ts'),
  'shop-rewrap-workers': () => import('./shop-workers.ts'),
  'age-plugin': () => import('./age.ts'),
  'age-plugin-alone': () => import('./age.ts'),
  'page-reveal': () => import('./page.ts'),
  'page-reveal-lan': () => import('./page.ts'),
  'page-labels': () => import('./page.ts'),
  'page-weight': () => import('./page.ts'),
  lockdown: () => import('./lockdown.ts'),
  start: () => import('./processes.ts'),
  'rss-keeper': () => import('./processes.ts'),
  'rss-gate': () => import('./processes.ts'),
  'rss-health': () => import('./processes.ts'),
  'image-size': () => import('./image.ts'),
  'slot-size': () => import('./image.ts'),
  'boot-ratio': () => import('./image.ts'),
  resident: () => import('./image.ts'),
}

if (values.only !== undefined && !Object.hasOwn(FIGURES, values.only)) {
  process.stderr.write(
    `claviger: there is no figure ${values.only}\nhint: ${Object.keys(FIGURES).join(', ')}\n`,
  )
  process.exit(2)
}

const results: Figure[] = []
for (const name of values.only === undefined ? Object.keys(FIGURES) : [values.only]) {
  const figure = values.only === undefined ? measureApart(name) : await measureHere(name)
  results.push(figure)
  if (!values.json) process.stdout.write(`${line(figure)}\n`)
}
if (values.json) process.stdout.write(`${JSON.stringify({ figures: results })}\n`)
process.exit(0)

async function measureHere(name: string): Promise<Figure> {
  // As the key process is started: its own thread and the pool are as many as there are cores.
  process.env.UV_THREADPOOL_SIZE ??= POOL
  const { figures } = await FIGURES[name]!()
  return figures.find(figure => figure.name === name)!.run()
}

function measureApart(name: string): Figure {
  const env = { ...process.env, UV_THREADPOOL_SIZE: POOL }
  const args = [fileURLToPath(import.meta.url), '--json', '--only', name]
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) {
    process.stderr.write(`claviger: ${name} could not be measured\n`)
    process.exit(1)
  }
  return (JSON.parse(stdout) as { figures: [Figure] }).figures[0]
}

function line({ name, value, unit, floor, bar, better }: Figure): string {
  const reached = bar === null || (better === 'higher' ? value >= bar : value <= bar)
  const goal =
    bar === null ? '' : `${reached ? 'reached' : 'MISSED '}  bar ${better === 'higher' ? '≥' : '≤'} ${bar}`
  return `${name.padEnd(20)}${value.toFixed(2).padStart(9)} ${unit.padEnd(6)} floor ${floor.toPrecision(4).padEnd(9)} ${goal}`
}
