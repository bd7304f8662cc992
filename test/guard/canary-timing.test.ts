/**
 * A canary takes the time of every other token: what is done with it before it trips is the same work, measured side by side.
 * The claim is about two distributions of one run, not about any time.
 */
import t from 'tap'
import { type Decided, decideItems, hasCanary, openItems } from '../../appliance/keeper/decrypt.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'
import type { Item } from '../../appliance/keeper/rpc/messages.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { startInProcess } from '../support/in-process.ts'

const ROUNDS = 4000
const WARM_UP = 1000
const PLACE = { field: 'card.number', record: 'cards/1' }

t.test('When canary and record are opened in turns, then no time tells which was which', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  const key = await admin.createKey('orders')
  await device.appliance.enrol('till-1', 'operator', ['orders'])
  const { token: canary } = await admin.makeCanary('orders', { ...PLACE, value: '4000056655665556' })
  for (let i = 0; i < 100; i++)
    await admin.makeCanary('orders', { ...PLACE, record: `other/${i}`, value: '4000056655665556' })
  const real = sealer(key.versions[0]!.publicKey)(PLACE, '4242424242424242')
  const unlocked = device.vault.unlocked!
  const agent = [...unlocked.agents.values()].find(({ name }) => name === 'till-1')!
  const situation = {
    ...{ namespace: 'default', unlocked, agent, usage: new Usage() },
    clock: { wall: Date.now(), budget: 0 },
  }
  const open = async (token: string): Promise<[ms: number, decided: Decided[], found: boolean]> => {
    const item: Item = [token, PLACE.field, PLACE.record, 'full', 0]
    const start = performance.now()
    const decided = decideItems(situation, 'charge', [item])
    const found = hasCanary(unlocked, decided, await openItems(decided))
    return [performance.now() - start, decided, found]
  }
  t.equal((await open(canary))[2], true)
  t.equal((await open(real))[2], false)

  const times: { canary: number[]; real: number[] } = { canary: [], real: [] }
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Each goes first as often as the other.
    const order = round % 2 ? (['canary', 'real'] as const) : (['real', 'canary'] as const)
    for (const which of order) {
      const [time] = await open(which === 'canary' ? canary : real)
      if (round >= 0) times[which].push(time)
    }
  }
  const slower = probabilityOfMore(times.canary, times.real)
  t.comment(`the canary took longer in ${(slower * 100).toFixed(1)} % of pairs`)
  t.ok(slower > 0.45 && slower < 0.55, `${slower}: half of the time either is slower`)
})

/** The probability that a value of `a` is more than one of `b` (the Mann-Whitney statistic over all pairs). */
function probabilityOfMore(a: number[], b: number[]): number {
  const all = [...a.map(value => ({ value, mine: true })), ...b.map(value => ({ value, mine: false }))]
  all.sort((one, other) => one.value - other.value)
  let [others, wins] = [0, 0]
  for (const { mine } of all) {
    if (mine) wins += others
    else others++
  }
  return wins / (a.length * b.length)
}
