/** PIN tries: counted durably before each check, across crashes and kills (docs/formats/keystore.md, "Tries"). */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import type { NewFactor } from '../../appliance/keeper/keystore/factors.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import type { NewSlot } from '../../appliance/keeper/keystore/slots.ts'
import { directoryStorage } from '../../appliance/keeper/keystore/storage.ts'
import { encodeRecord, journalTries, MAX_TRIES, tally } from '../../appliance/keeper/keystore/tries.ts'
import { Disk, processOf } from './keystore-disk.ts'
import { floor, typed } from './keystore-factors.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const ADMIN = [typed('passphrase', 'correct horse')]
const pin = (text: string): NewFactor[] => [
  typed('pin', text),
  { type: 'host-share', output: new Uint8Array(32).fill(1) },
]
const RIGHT = pin('2468')
const WRONG = pin('2469')
const till = (n: number): NewSlot => ({ id: `staff/till-${n}`, kind: 'staff', factors: RIGHT })
const content = {
  state: bytes('state'),
  slots: [{ id: 'admin', kind: 'passphrase' as const, factors: ADMIN }, till(1), till(2)],
}

let boots = 0
function place(disk: Disk) {
  boots += 1
  return { storage: disk.storage(), namespace: 'default', floor, processes: processOf(`boot ${boots}`) }
}
const first = new Disk()
await (await Keystore.create(place(first), content)).close()
const base = first.copy()

/** A change of slots alone. */
const same = (state: Uint8Array) => state.slice()

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'opened',
    error => error.code ?? error.message,
  )

/** A disk on which till 1 has this many wrong tries. */
async function tried(count: number): Promise<Disk> {
  const disk = base.copy()
  const keystore = await Keystore.load(place(disk))
  for (let i = 0; i < count; i++) await codeOf(keystore.unlock('staff/till-1', WRONG))
  return disk.copy()
}

t.test('When a PIN is wrong 8 times, then the slot is destroyed, and only this one', async t => {
  const disk = base.copy()
  const keystore = await Keystore.load(place(disk))
  for (let left = MAX_TRIES - 1; left > 0; left--) {
    const hint = `${left} tries are left`
    await t.rejects(keystore.unlock('staff/till-1', WRONG), { code: 'unlock-refused', hint })
  }
  await t.rejects(keystore.unlock('staff/till-1', WRONG), { code: 'unlock-refused', hint: /destroyed/ })
  await t.rejects(keystore.unlock('staff/till-1', RIGHT), { code: 'slot-destroyed' })
  await t.rejects(keystore.stretching('staff/till-1'), { code: 'slot-destroyed' })
  await keystore.close()
  const rebooted = await Keystore.load(place(disk.afterPowerCut(() => false, 0)))
  await t.rejects(rebooted.unlock('staff/till-1', RIGHT), { code: 'slot-destroyed' })
  await t.rejects(rebooted.stretching('staff/till-1'), { code: 'slot-destroyed' })
  t.ok(await rebooted.unlock('staff/till-2', RIGHT))
  t.same(
    rebooted.slots.map(slot => slot.id),
    ['admin', 'staff/till-2'],
    'the next unlock through another slot removes it from the file',
  )
})

t.test('When the PIN is right in time, then the count begins anew', async t => {
  const keystore = await Keystore.load(place(await tried(7)))
  t.ok(await keystore.unlock('staff/till-1', RIGHT), 'the eighth try is a try')
  await t.rejects(keystore.unlock('staff/till-1', WRONG), {
    code: 'unlock-refused',
    hint: '7 tries are left',
  })
})

t.test('When a wrong share stands beside the right PIN, then it is a try like any other', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  const share = { type: 'host-share' as const, output: new Uint8Array(32).fill(9) }
  await t.rejects(keystore.unlock('staff/till-1', [RIGHT[0]!, share]), {
    code: 'unlock-refused',
    hint: '7 tries are left',
  })
})

t.test('When a passphrase is wrong, then nothing is counted', async t => {
  const disk = base.copy()
  const keystore = await Keystore.load(place(disk))
  const wrong = [typed('passphrase', 'wrong horse')]
  for (let i = 0; i < 10; i++) t.equal(await codeOf(keystore.unlock('admin', wrong)), 'unlock-refused')
  t.equal(disk.names.has('default.tries'), false)
  t.ok(await keystore.unlock('admin', ADMIN))
})

t.test('When a destroyed slot is made again under the same id, then it has all its tries', async t => {
  const disk = await tried(8)
  const keystore = await Keystore.load(place(disk))
  await keystore.unlock('admin', ADMIN)
  t.same(
    keystore.slots.map(slot => slot.id),
    ['admin', 'staff/till-2'],
  )
  await keystore.update(same, { put: [till(1)] })
  t.ok(await keystore.unlock('staff/till-1', RIGHT))
  const other = await Keystore.load(place(await tried(5)))
  await other.unlock('admin', ADMIN)
  await other.update(same, { put: [till(1)] })
  await t.rejects(other.unlock('staff/till-1', WRONG), { code: 'unlock-refused', hint: '7 tries are left' })
})

t.test('When the try or its success cannot be recorded, then even the right PIN does not open', async t => {
  for (const count of [0, 1]) {
    const start = await tried(count)
    const healthy = start.copy()
    const loaded = await Keystore.load(place(healthy))
    const from = healthy.operations.length
    await loaded.unlock('staff/till-1', RIGHT)
    const steps = healthy.operations.slice(from)
    const recorded = steps.findLastIndex(step => /^append/.test(step))
    t.equal(steps.filter(step => /^append/.test(step)).length, 2, 'a try and a success are written')
    for (let at = 0; at < steps.length; at++) {
      for (const kind of ['crash', 'EIO', 'ENOSPC'] as const) {
        for (const torn of [0, 5, 20, 31]) {
          const disk = start.copy()
          const keystore = await Keystore.load(place(disk))
          disk.fault = { at: from + at, kind, torn }
          const isWrite = /^(append|writeNew|link)/.test(steps[at]!)
          const outcome = await codeOf(keystore.unlock('staff/till-1', RIGHT))
          if (at <= recorded && (kind !== 'ENOSPC' || isWrite)) {
            if (outcome !== 'storage-failed') t.fail(`${outcome} after ${kind} at ${steps[at]}`)
            if (keystore.isUnlocked) t.fail(`unlocked after ${kind} at ${steps[at]}`)
          }
          const rebooted = await Keystore.load(place(disk.afterPowerCut(() => true, 1)))
          if ((await codeOf(rebooted.unlock('staff/till-1', RIGHT))) !== 'opened') {
            t.fail(`the journal is not usable after ${kind} at ${steps[at]}, ${torn} bytes`)
          }
        }
      }
    }
  }
})

t.test('When the power is cut right after a refusal, then the try is still counted', async t => {
  let disk = base.copy()
  const hints: string[] = []
  for (let i = 0; i < MAX_TRIES; i++) {
    const keystore = await Keystore.load(place(disk))
    hints.push((await keystore.unlock('staff/till-1', WRONG).catch(error => error)).hint)
    disk = disk.afterPowerCut(() => false, 0)
  }
  t.match(hints[1], '6 tries are left')
  t.equal(await codeOf((await Keystore.load(place(disk))).unlock('staff/till-1', RIGHT)), 'slot-destroyed')
})

t.test('When the power is cut while a destroyed slot is removed, then it never opens again', async t => {
  const start = await tried(8)
  const whole = start.copy()
  const keystore = await Keystore.load(place(whole))
  const from = whole.operations.length
  await keystore.unlock('admin', ADMIN)
  const total = whole.operations.length
  t.ok(total - from > 10)
  for (let at = from; at < total; at++) {
    for (const [keeps, share] of [
      [false, 0],
      [true, 0],
      [true, 1],
    ] as const) {
      const disk = start.copy()
      const victim = await Keystore.load(place(disk))
      disk.fault = { at, kind: 'crash', torn: 40 }
      await codeOf(victim.unlock('admin', ADMIN))
      const rebooted = await Keystore.load(place(disk.afterPowerCut(() => keeps, share)))
      const code = await codeOf(rebooted.unlock('staff/till-1', RIGHT))
      if (code !== 'slot-destroyed' && code !== 'unlock-refused') t.fail(`${code} after a crash at ${at}`)
      t.equal(await codeOf(rebooted.unlock('staff/till-2', RIGHT)), 'opened')
    }
  }
})

t.test('When many tries race, then no more than 8 are checked', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => codeOf(keystore.unlock('staff/till-1', WRONG))),
  )
  t.equal(outcomes.filter(code => code === 'unlock-refused').length, MAX_TRIES)
  t.equal(outcomes.filter(code => code === 'slot-destroyed').length, 20 - MAX_TRIES)
})

t.test(
  'When the process is killed between the count and the check, 8 times, then the slot is destroyed',
  async t => {
    const directory = t.testdir({})
    const real = { storage: directoryStorage(directory), namespace: 'default', floor }
    await (await Keystore.create(real, content)).close()
    const script = new URL('keystore-child.ts', import.meta.url).pathname
    const kill = async () => {
      const child = spawn(process.execPath, [script, 'die-after-counting', directory], { stdio: 'ignore' })
      const [, signal] = await once(child, 'exit')
      return signal
    }
    for (let i = 0; i < MAX_TRIES - 1; i++) t.equal(await kill(), 'SIGKILL')
    const keystore = await Keystore.load(real)
    await t.rejects(keystore.unlock('staff/till-1', WRONG), { code: 'unlock-refused', hint: /destroyed/ })
    await keystore.close()
    const again = await Keystore.load(real)
    t.equal(await codeOf(again.unlock('staff/till-1', RIGHT)), 'slot-destroyed')
    await again.close()
  },
)

t.test('When a keystore is unlocked a thousand times, then the journal stays small', async t => {
  const disk = await tried(3)
  const keystore = await Keystore.load(place(disk))
  for (let i = 0; i < 1000; i++) await keystore.unlock('staff/till-2', RIGHT)
  t.ok(disk.files()['default.tries']!.length <= 80 * 32)
  await t.rejects(
    keystore.unlock('staff/till-1', WRONG),
    { code: 'unlock-refused', hint: '4 tries are left' },
    'and no try is forgotten',
  )
})

t.test(
  'When the journal is too long to be ours, then no PIN is checked, and the passphrase still opens',
  async t => {
    const disk = base.copy()
    disk.put('default.tries', new Uint8Array(1_048_577))
    const keystore = await Keystore.load(place(disk))
    t.equal(await codeOf(keystore.unlock('staff/till-1', RIGHT)), 'keystore-damaged')
    t.equal(await codeOf(keystore.unlock('admin', ADMIN)), 'opened')
  },
)

const references = [1, 2].map(n => new Uint8Array(16).fill(n)) as [Uint8Array, Uint8Array]
const event = fc.tuple(fc.constantFrom('try' as const, 'success' as const, 'destroyed' as const), fc.nat(1))
const journalOf = (events: [Parameters<typeof encodeRecord>[0], number][]) =>
  Buffer.concat(events.map(([name, slot]) => encodeRecord(name, references[slot]!)))

t.test('When events are written, then the tally is that of the events of the slot', async () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), events => {
      let wrong = 0
      let destroyed = false
      for (const [name, slot] of events) {
        if (slot !== 0) continue
        destroyed ||= name === 'destroyed'
        wrong = name === 'success' ? 0 : wrong + 1
      }
      return tally(journalOf(events), references[0]) === (destroyed ? MAX_TRIES : Math.min(wrong, MAX_TRIES))
    }),
  )
})

t.test('When a record is torn or damaged, then it never gives a try back', async () => {
  const tries = fc.array(fc.nat(1), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(tries, fc.nat(), fc.nat(), (slots, at, length) => {
      const journal = journalOf(slots.map(slot => ['try', slot]))
      const before = tally(journal, references[0])
      const flipped = Uint8Array.from(journal)
      flipped[(at >> 3) % journal.length]! ^= 1 << (at & 7)
      const cut = journal.subarray(0, length % (journal.length + 1))
      const whole = cut.subarray(0, cut.length - (cut.length % 32))
      return (
        tally(flipped, references[0]) >= before && tally(cut, references[0]) >= tally(whole, references[0])
      )
    }),
  )
})

t.test(
  'When the journal is any bytes, then the tally is a number of tries, and compaction keeps it',
  async () => {
    const disk = base.copy()
    const keystore = await Keystore.load(place(disk))
    await keystore.close()
    const slot = { ...till(1), factors: [], wrapped: new Uint8Array(60) }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async journal => {
        disk.put('default.tries', journal)
        const tries = journalTries(disk.storage(), 'default')
        const before = await tries.isDestroyed(slot)
        await tries.compact([slot])
        const left = before ? null : await tries.begin(slot)
        return before === Math.ceil(journal.length / 32) >= MAX_TRIES && (left === null || left < MAX_TRIES)
      }),
    )
  },
)
