/** Counting budgets anew from the log, while other things go on. */
import t from 'tap'
import type { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { Chronicle } from '../../appliance/keeper/chronicle.ts'
import type { Clock } from '../../appliance/keeper/clock.ts'
import type { Grant } from '../../appliance/keeper/policy/grant.ts'
import { Recorder } from '../../appliance/keeper/recorder.ts'
import type { Entry, EntryBody } from '../../protocol/audit/entry.ts'

const LIMITS = { free: 2, first: 10, longest: 100 }
const GRANT: Grant = {
  ...{ id: 'g1', agent: 'till', key: 'orders', fields: ['*'], purposes: ['ship'], reveal: ['full'] },
  budgets: [{ per: 'day', records: 5, operations: null, alarm: false }],
  ...{ hours: null, since: 0 },
}
const clock: Clock = { wall: () => 1e12, up: () => 1e6, boot: 'one' }
const caller = {
  ...{ pin: new Uint8Array(32).fill(7), namespace: 'default', role: 'operator', name: 'till' },
  issuer: { namespace: 'default', role: 'authority', name: 'claviger' },
}
const opened = (record: string): EntryBody => ({
  ...{ agent: 'till', role: 'operator', action: 'decrypt', outcome: 'allowed', purpose: 'ship' },
  items: [{ key: 'orders@1', field: 'f', reveal: 'full', records: [record] }],
})

/** A log in memory, which is read only as far as `pause` lets it. */
function memoryLog(pause: () => Promise<void>) {
  const entries: Entry[] = []
  return {
    get size() {
      return entries.length
    },
    append: async (body: EntryBody) => {
      entries.push({ ...body, index: entries.length, time: 1e12, boot: 'one', up: 1e6 })
      return entries.length - 1
    },
    replay: async (visit: (entry: Entry) => void) => {
      const there = entries.slice()
      await pause()
      for (const entry of there) visit(entry)
    },
  }
}

t.test('When a budget is new, then what was opened before counts, once', async t => {
  const recorder = new Recorder(
    memoryLog(async () => {}) as unknown as AuditLog,
    clock,
    new Chronicle([], LIMITS),
  )
  for (const record of ['a', 'b', 'a']) await recorder.write(opened(record))
  await recorder.recount([GRANT], LIMITS)
  const [budget] = GRANT.budgets
  t.match(recorder.chronicle.usage.left('till', 'ship', budget!, recorder.now.budget), { records: 3 })
  const before = recorder.chronicle
  await recorder.recount([GRANT], LIMITS)
  t.equal(recorder.chronicle, before, 'what is counted already is not counted again')
})

t.test('When tries are refused while the log is read, then they count', async t => {
  const reading = Promise.withResolvers<void>()
  const recorder = new Recorder(
    memoryLog(() => reading.promise) as unknown as AuditLog,
    clock,
    new Chronicle([], LIMITS),
  )
  await recorder.refused(caller, 'createKey', 'wrong-role')
  const counting = recorder.recount([GRANT], LIMITS)
  await recorder.refused(caller, 'createKey', 'wrong-role')
  reading.resolve()
  await counting
  await t.rejects(recorder.refused(caller, 'createKey', 'wrong-role'), { code: 'too-many-tries' })
})

t.test('When the button is pressed while the log is read, then it is in lockdown, told or not', async t => {
  for (const isWritten of [true, false]) {
    const reading = Promise.withResolvers<void>()
    const log = memoryLog(() => reading.promise)
    const recorder = new Recorder(log as unknown as AuditLog, clock, new Chronicle([], LIMITS))
    await recorder.write(opened('a'))
    const counting = recorder.recount([GRANT], LIMITS)
    recorder.chronicle.lockDown({ what: 'lockdown', when: 1, why: 'odd' })
    const entry = {
      agent: 'till',
      role: 'operator',
      action: 'lockdown',
      outcome: 'allowed',
      reason: 'odd',
    } as const
    if (isWritten) await recorder.write(entry)
    reading.resolve()
    await counting
    t.equal(recorder.chronicle.lockdown, true)
    if (!isWritten) await recorder.write(entry)
    t.equal(recorder.chronicle.alarms.length, 1, 'one alarm')
  }
})

t.test('When the log cannot be read, then that is told, and the next time counts', async t => {
  const failure = Object.assign(new Error('the disk'), { code: 'audit-unavailable' })
  let fails = true
  const log = memoryLog(() => (fails ? Promise.reject(failure) : Promise.resolve()))
  const recorder = new Recorder(log as unknown as AuditLog, clock, new Chronicle([], LIMITS))
  await recorder.write(opened('a'))
  await t.rejects(recorder.recount([GRANT], LIMITS), failure)
  fails = false
  await recorder.recount([GRANT], LIMITS)
  const [budget] = GRANT.budgets
  t.match(recorder.chronicle.usage.left('till', 'ship', budget!, recorder.now.budget), { records: 4 })
})
