/** The kills of `npm run test:shop` on small tables; on a larger one where the small one was done before most kills came. */
import t, { type Test } from 'tap'
import { type Shop, startShop, whyNot } from '../database/servers.ts'
import { startDevice } from './device.ts'
import { faultsOf, kills, wasOverTooSoon } from './kills.ts'

const KILLS = 6
const ROWS = 2400
const MORE_ROWS = 6000
const KINDS: readonly Shop['kind'][] = ['sqlite', 'mariadb', 'postgres']

t.setTimeout(240_000)
const device = await startDevice()
t.teardown(device.stop)

for (const kind of KINDS)
  t.test(
    `When worker, server and gate are killed while rows of ${kind} are sealed and rewrapped, then nothing is lost and nothing done twice`,
    t => survives(t, kind),
  )

async function survives(t: Test, kind: Shop['kind']): Promise<void> {
  const why = whyNot(kind)
  if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
  if (why) {
    t.pass(`a server of ${kind}`, { skip: why })
    return
  }
  const shop = await startShop(kind)
  t.teardown(shop.stop)
  let plan = { rows: ROWS, kills: KILLS, seed: Math.floor(Math.random() * 1_000_000) }
  t.comment(`seed ${plan.seed}`)
  let outcome = await kills(shop, device, plan)
  if (wasOverTooSoon(outcome, KILLS)) {
    t.comment(`kills that hit: ${JSON.stringify(outcome.hit)}`)
    t.same(faultsOf(outcome, { ...plan, kills: 0 }), [])
    plan = { ...plan, rows: MORE_ROWS }
    outcome = await kills(shop, device, plan)
  }
  t.same(faultsOf(outcome, plan), [])
  const { hit, sealed, rewrapped } = outcome
  for (const victim of shop.crash ? (['worker', 'gate', 'server'] as const) : (['worker', 'gate'] as const))
    t.ok(hit[victim] > 0, `the ${victim} was killed in the midst of it`)
  t.equal(rewrapped.tokens, sealed.tokens, 'there are as many tokens as before')
  t.comment(`kills that hit: ${JSON.stringify(hit)}`)
}
