/** How long after the button somebody else is told that the keys are gone, while large batches are under way. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { MAX_ITEMS } from '../../protocol/api/routes.ts'
import type { DecryptBody } from '../../protocol/api/schemas.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

const ROUNDS = 12
/** Full batches that are in the key process when the button is pressed. */
const BATCHES = 4
const FIELD = 'address.ship'

/** Ms from the call of `press` until `watcher` hears of the lockdown, which it does after the keys are forgotten. */
async function told(watcher: Appliance, press: () => Promise<unknown>): Promise<number> {
  const heard = Promise.withResolvers<number>()
  const listening = Promise.withResolvers<void>()
  const ending = new AbortController()
  watcher
    .watch(state => {
      listening.resolve()
      if (state === 'lockdown') heard.resolve(performance.now())
    }, ending.signal)
    .catch(heard.reject)
  await listening.promise
  const load = press()
  const time = await heard.promise
  ending.abort()
  await load
  return time
}

async function run(): Promise<Figure> {
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path)
  const { appliance } = processes
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    const key = await admin.createKey('orders')
    const profile = await appliance.enrol('till-1', 'operator', ['orders'])
    const tills = await Promise.all(Array.from({ length: BATCHES }, () => appliance.connect(profile)))
    const watcher = await appliance.connect(profile)
    const seal = sealer(key.versions[0]!.publicKey)
    const items = Array.from({ length: MAX_ITEMS }, (_, i) => {
      const context = { field: FIELD, record: `orders/${i}` }
      return { ciphertext: seal(context, 'Main Street 1'), context }
    })
    const body: DecryptBody = { purpose: 'ship', items }
    const measure = async (batches: number): Promise<number> => {
      let pressed = 0
      const heard = await told(watcher, async () => {
        const load = tills.slice(0, batches).map(till => till.decrypt(body).catch(() => {}))
        await sleep(30)
        pressed = performance.now()
        await admin.lockdown('measured')
        await Promise.all(load)
      })
      await admin.liftLockdown(PASSPHRASE)
      await admin.unlock({ passphrase: PASSPHRASE })
      return heard - pressed
    }
    const [floors, values]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      floors.push(await measure(0))
      values.push(await measure(BATCHES))
    }
    const worst = Math.max(...values)
    return { name: 'lockdown', value: worst, unit: 'ms', floor: median(floors), bar: 100, better: 'lower' }
  } finally {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  }
}

/** The longest of all rounds; the floor is the median without any load. */
export const figures: { name: string; run: () => Promise<Figure> }[] = [{ name: 'lockdown', run }]
