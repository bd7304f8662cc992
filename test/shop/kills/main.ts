/**
 * `npm run test:shop [-- --rows N] [-- --kills N] [-- --seed N] [-- --only KIND]`: the kills of `npm test`, on a table of the size that a
 * shop has. `npm run test:shop -- memory` measures memory instead.
 */
import { parseArgs } from 'node:util'
import { type Shop, startShop, whyNot } from '../database/servers.ts'
import { startDevice } from './device.ts'
import { faultsOf, kills } from './kills.ts'

const KINDS: readonly Shop['kind'][] = ['sqlite', 'mariadb', 'postgres']

// node:sqlite is called experimental
process.removeAllListeners('warning')
// Devices and servers end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const { values, positionals } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
  allowPositionals: true,
})
if (positionals[0] === 'memory') {
  const { measureMemory } = await import('./memory.ts')
  await measureMemory(positionals.slice(1))
  process.exit(0)
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const say = (line: string) => process.stdout.write(`${line}\n`)
say(`seed ${seed}`)
const totals = { passed: 0, failed: 0, skipped: 0 }
const device = await startDevice()
try {
  for (const kind of KINDS.filter(kind => values.only?.includes(kind) ?? true)) {
    const why = whyNot(kind)
    if (why) {
      say(`${kind}: skipped, ${why}`)
      totals[process.env.CI ? 'failed' : 'skipped']++
      continue
    }
    const shop = await startShop(kind)
    try {
      const plan = { rows: Number(values.rows), kills: Number(values.kills), seed }
      const outcome = await kills(shop, device, { ...plan, say: line => say(`${kind}: ${line}`) })
      const faults = faultsOf(outcome, plan)
      totals[faults.length === 0 ? 'passed' : 'failed']++
      say(`${kind}: ${JSON.stringify(outcome)}`)
      for (const fault of faults) say(`${kind}: FAILED ${fault}`)
    } finally {
      await shop.stop()
    }
  }
} finally {
  await device.stop()
}
say(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(totals.failed > 0 ? 1 : 0)
