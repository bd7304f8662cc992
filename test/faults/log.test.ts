/** The log and the budgets through what can happen to a device: kill −9 at any moment under load, and clocks that jump. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import type { Caller } from '../../appliance/keeper/rpc/messages.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { Entry } from '../../protocol/audit/entry.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { KeeperHome, type KeeperProcess } from './keeper-process.ts'

t.setTimeout(300_000)

const KILLS = 200
const AT_ONCE = 8
/** Longest time under load before the process is killed, ms. */
const LONGEST = 40
const RECORDS = 100_000

t.test(
  'When the keeper is killed at random moments under load, then nothing answered is lost',
  { timeout: 300_000 },
  async t => {
    const directory = await temporaryDirectory()
    t.teardown(directory.remove)
    const home = await KeeperHome.provision(directory.path)
    let keeper = await home.start()
    await home.unlock(keeper)
    const key = await keeper.call('createKey', home.owner, { name: 'orders', suite: 'x' })
    const seal = sealer(key.versions[0]!.publicKey)
    const till = await home.enrol(keeper, 'till-1')
    await keeper.call('addGrant', home.owner, {
      ...{
        agent: 'till-1',
        key: 'orders',
        fields: ['*'],
        purposes: ['charge'],
        reveal: ['full'],
        hours: null,
      },
      budgets: [{ per: 'month', records: RECORDS, operations: null, alarm: false }],
    })

    /** Records whose value was answered, by the index of their entry; and those that were asked for without an answer. */
    const answered = new Map<number, string>()
    const unanswered = new Set<string>()
    let next = 0
    const ask = async (process: KeeperProcess): Promise<void> => {
      const record = `r/${next++}`
      const token = seal({ field: 'f', record }, record)
      unanswered.add(record)
      const caller: Caller = { ...till, pin: Uint8Array.from(till.pin) }
      const { opened, index } = await process.call('decrypt', caller, {
        ...{ purpose: 'charge', reason: '' },
        items: [[token, 'f', record, 'full', 0]],
      })
      if (Buffer.from(opened[0] as Uint8Array).toString() !== record)
        throw new Error(`${record} is ${opened[0]}`)
      unanswered.delete(record)
      answered.set(index, record)
    }
    for (let kill = 0; kill < KILLS; kill++) {
      let over = false
      const load = Promise.allSettled(
        Array.from({ length: AT_ONCE }, async () => {
          while (!over) await ask(keeper)
        }),
      )
      await sleep(Math.random() * LONGEST)
      await keeper.kill()
      over = true
      const ends = await load
      const wrong = ends.filter(end => end.status === 'rejected' && end.reason.code !== 'keeper-unavailable')
      if (wrong.length > 0) t.same(wrong, [], 'only the connection breaks')
      keeper = await home.start()
      await home.unlock(keeper)
    }
    const { budgets, log } = await keeper.call('report', home.owner, { route: 'health' })
    await keeper.stop()
    t.comment(`${answered.size} answered, ${unanswered.size} cut off, ${log!.size} entries`)
    t.ok(answered.size > KILLS, 'there was load')

    const written = new Map<number, Entry>()
    const clock = { wall: Date.now, up: () => 0, boot: 'test' }
    const options = { directory: join(directory.path, 'audit', 'default'), origin: 'claviger/default', clock }
    const reopened = await AuditLog.open({ ...options, visit: entry => written.set(entry.index, entry) })
    t.match(await reopened.verify(), { ok: true })
    await reopened.close()
    const missing = [...answered].filter(([index, record]) => {
      const entry = written.get(index)
      return entry?.action !== 'decrypt' || entry.items?.[0]?.records[0] !== record
    })
    t.same(missing, [], 'every answered request is in the log, at the index that was answered')
    const allowed = [...written.values()].filter(
      ({ action, outcome }) => action === 'decrypt' && outcome === 'allowed',
    )
    const records = allowed.flatMap(({ items = [] }) => items.flatMap(({ records }) => records))
    t.equal(new Set(records).size, records.length)
    const extra = records.filter(record => !unanswered.has(record)).length
    t.equal(extra, answered.size, 'what else is in the log was asked for and cut off')
    t.same(
      budgets.map(({ records }) => records),
      [RECORDS - records.length],
      'the budget is what a recount gives',
    )
  },
)
