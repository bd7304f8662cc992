/**
 * `npm run bench [-- --only NAME] [-- --json]`: every figure, or one, or a group, as a ratio to a floor measured in the same run.
 * Nothing is asserted; `docs/performance.md` keeps the figures.
 *
 * Each figure has a process of its own, so that none is measured in the leftovers of another.
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Figure, LackingProgram } from './figure.ts'

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
  'peer-tang': () => import('./peers-tang.ts'),
  'peer-softhsm': () => import('./peers-softhsm.ts'),
  'peer-gpg': () => import('./peers-files.ts'),
  'peer-age': () => import('./peers-files.ts'),
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

/** Several figures that are read together. */
const GROUPS: Record<string, string[]> = {
  peers: Object.keys(FIGURES).filter(name => name.startsWith('peer-')),
}

/** Exit status of a process whose figure wants a program that is not there. */
const LACKING = 3

const wanted = namesOf(values.only)
const results: Figure[] = []
for (const name of wanted) {
  const figure = wanted.length > 1 ? measureApart(name) : await measureHere(name)
  if (figure === null) continue
  results.push(figure)
  if (!values.json) process.stdout.write(`${lines(figure)}\n`)
}
if (values.json) process.stdout.write(`${JSON.stringify({ figures: results })}\n`)
process.exit(0)

function namesOf(only: string | undefined): string[] {
  if (only === undefined) return Object.keys(FIGURES)
  if (Object.hasOwn(GROUPS, only)) return GROUPS[only]!
  if (Object.hasOwn(FIGURES, only)) return [only]
  const names = [...Object.keys(FIGURES), ...Object.keys(GROUPS)]
  process.stderr.write(`claviger: there is no figure ${only}\nhint: ${names.join(', ')}\n`)
  process.exit(2)
}

async function measureHere(name: string): Promise<Figure> {
  // As the key process is started: its own thread and the pool are as many as there are cores.
  process.env.UV_THREADPOOL_SIZE ??= POOL
  const { figures } = await FIGURES[name]!()
  try {
    return await figures.find(figure => figure.name === name)!.run()
  } catch (error) {
    if (!(error instanceof LackingProgram)) throw error
    process.stderr.write(`claviger: ${name} is left out: ${error.message}\n`)
    process.exit(LACKING)
  }
}

function measureApart(name: string): Figure | null {
  const env = { ...process.env, UV_THREADPOOL_SIZE: POOL }
  const args = [fileURLToPath(import.meta.url), '--json', '--only', name]
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status === LACKING) return null
  if (status !== 0) {
    process.stderr.write(`claviger: ${name} could not be measured\n`)
    process.exit(1)
  }
  return (JSON.parse(stdout) as { figures: [Figure] }).figures[0]
}

function lines({ name, value, unit, floor, bar, better, rows = [] }: Figure): string {
  const reached = bar === null || (better === 'higher' ? value >= bar : value <= bar)
  const goal =
    bar === null ? '' : `${reached ? 'reached' : 'MISSED '}  bar ${better === 'higher' ? '≥' : '≤'} ${bar}`
  const first = `${name.padEnd(20)}${value.toFixed(2).padStart(9)} ${unit.padEnd(6)} floor ${floor.toPrecision(4).padEnd(9)} ${goal}`
  const others = rows.map(
    row =>
      `  ${row.name.padEnd(48)}${row.p50.toFixed(2).padStart(9)} ms${row.perSecond.toFixed(0).padStart(8)} a second`,
  )
  return [first, ...others].join('\n')
}
