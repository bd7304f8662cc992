/** What a crash, a power cut or a failing disk leaves of a keystore (docs/formats/keystore.md). */
import t, { type Test } from 'tap'
import { parseFile } from '../../appliance/keeper/keystore/format.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import { directoryStorage } from '../../appliance/keeper/keystore/storage.ts'
import { Disk } from './keystore-disk.ts'
import { floor } from './keystore-factors.ts'
import {
  ADMIN,
  adminSlot,
  base,
  bytes,
  opened,
  passphrase,
  place,
  STAFF,
  same,
  staffFactors,
  staffSlot,
  text,
  to,
} from './keystore-stage.ts'

type Act = (keystore: Keystore) => Promise<unknown>
const newAdmin = passphrase('another passphrase')
const acts: Record<string, Act> = {
  'a new state': keystore => keystore.update(to('new')),
  'a slot more': keystore =>
    keystore.update(same, { put: [{ ...adminSlot, id: 'admin-2', factors: newAdmin }] }),
  'a slot less and a new state': keystore => keystore.update(to('new'), { remove: ['staff/till-1'] }),
  'slots put and removed': keystore =>
    keystore.update(same, {
      put: [{ ...staffSlot, id: 'staff/till-2', factors: staffFactors('1357') }, adminSlot],
      remove: ['staff/till-1'],
    }),
}

/** What a power cut can make of what was not fsynced: nothing of it, all of it, and mixtures. */
function powerCuts(disk: Disk, seed: number): Disk[] {
  let random = seed * 2_654_435_761 + 1
  const coin = () => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
    return random > 0x7fffffff
  }
  return [
    disk.afterPowerCut(() => false, 0),
    disk.afterPowerCut(() => true, 1),
    disk.afterPowerCut(() => true, 0),
    disk.afterPowerCut(coin, 0.5),
    disk.afterPowerCut(coin, 1),
  ]
}

/** Tells of a generation that two different files bore, at any time. */
function watchGenerations(disk: Disk, tell: (generation: number) => void): void {
  const files = new Map<number, Uint8Array>()
  let last: Uint8Array | undefined
  disk.pause = async () => {
    const file = disk.names.get('default')?.content
    if (file === undefined || file === last) return
    last = file
    const { generation } = parseFile(file).header
    const before = files.get(generation)
    if (before !== undefined && Buffer.compare(before, file) !== 0) tell(generation)
    files.set(generation, file)
  }
}

/** Loads and unlocks as after a boot, and demands that the keystore is whole, tidy and can go on. */
async function assertRecovers(t: Test, disk: Disk, what: string): Promise<string> {
  const keystore = await Keystore.load(place(disk))
  const state = text(await keystore.unlock('admin', ADMIN))
  const { generation } = keystore
  const names = [...disk.names.keys()].filter(
    name => !/^default(\.previous|\.tries|\.lock\.\d+)?$/.test(name),
  )
  t.same(names, [], `no leftovers after ${what}`)
  const ids = keystore.slots.map(({ id }) => id)
  await keystore.update(to('later'))
  await keystore.close()
  const later = await Keystore.load(place(disk.afterPowerCut(() => false, 0)))
  if (text(await later.unlock('admin', ADMIN)) !== 'later') t.fail(`a later change is lost after ${what}`)
  return `${generation} ${state} ${ids}`
}

for (const [name, act] of Object.entries(acts)) {
  t.test(
    `When the power is cut at any operation of ${name}, then the old or the new keystore opens`,
    async t => {
      const disk = base.copy()
      const keystore = await opened(disk)
      const first = disk.operations.length
      await act(keystore)
      const steps = disk.operations.slice(first)
      const after = await assertRecovers(
        t,
        disk.afterPowerCut(() => false, 0),
        'an acknowledged change',
      )
      const before = await assertRecovers(t, base.copy(), 'no change')
      t.not(after, before)

      const seen = new Set<string>()
      for (const [i, step] of steps.entries()) {
        const torn = /^writeNew/.test(step)
          ? [undefined, 0, 1, 6, 7, 10, 11, 12, 100, 300, 400, 449]
          : [undefined]
        for (const count of torn) {
          const trial = base.copy()
          const victim = await opened(trial)
          trial.fault = { at: first + i, kind: 'crash', ...(count === undefined ? {} : { torn: count }) }
          await act(victim).catch(() => {})
          for (const cut of powerCuts(trial, i + (count ?? 0))) {
            const result = await assertRecovers(t, cut, `a crash at ${step}, ${count} bytes`)
            seen.add(result)
            if (result !== before && result !== after)
              t.fail(`${result} after a crash at ${step}, ${count} bytes`)
          }
        }
      }
      t.same([...seen].sort(), [before, after].sort(), 'both outcomes were seen')
    },
  )

  t.test(
    `When the disk fails at any operation of ${name}, then the old keystore is intact, on disk and here`,
    async t => {
      const disk = base.copy()
      await act(await opened(disk))
      const total = disk.operations.length
      let failures = 0
      for (const kind of ['ENOSPC', 'EIO'] as const) {
        for (const times of [1, 2, Number.POSITIVE_INFINITY]) {
          for (const done of [false, true]) {
            for (let at = 0; at < total; at++) {
              const trial = base.copy()
              const keystore = await opened(trial)
              if (at < trial.operations.length) continue
              watchGenerations(trial, generation => t.fail(`two files were generation ${generation}`))
              trial.fault = { at, kind, times, done, torn: 40 }
              const error = await act(keystore).then(
                () => null,
                error => error,
              )
              trial.fault = undefined
              if (error === null) continue
              failures += 1
              if (error.code !== 'storage-failed')
                t.fail(`${error.code} for ${kind} at ${trial.operations[at]}`)
              if (keystore.generation !== 2 || !keystore.isUnlocked) t.fail('the keystore in memory changed')
              if (times === 1 && !Buffer.from(trial.files().default!).equals(base.files().default!)) {
                t.fail(`another file is on the disk after ${kind} at ${trial.operations[at]}`)
              }
              const left = parseFile(trial.files().default!).header
              await keystore.update(to('retried'))
              if (keystore.generation <= left.generation)
                t.fail(`generation ${left.generation} is used twice`)
              if (`${keystore.slots.map(({ id }) => id)}` !== `${left.slots.map(({ id }) => id)}`)
                t.fail('the state of one generation was written with the slots of another')
              await keystore.close()
              const again = await Keystore.load(place(trial.afterPowerCut(() => false, 0)))
              if (text(await again.unlock('admin', ADMIN)) !== 'retried') t.fail('the retry is lost')
            }
          }
        }
      }
      t.ok(failures > 20, `${failures} failures were tried`)
    },
  )
}

t.test(
  'When the power is cut at any operation of create, then there is a whole keystore or none',
  async t => {
    const content = { state: bytes('first'), slots: [adminSlot] }
    const disk = new Disk()
    await Keystore.create(place(disk), content)
    const outcomes = new Set<string>()
    for (const [at, step] of disk.operations.entries()) {
      for (const torn of /^writeNew/.test(step) ? [undefined, 0, 1, 11, 200] : [undefined]) {
        const trial = new Disk()
        trial.fault = { at, kind: 'crash', ...(torn === undefined ? {} : { torn }) }
        await Keystore.create(place(trial), content).catch(() => {})
        for (const cut of powerCuts(trial, at)) {
          const found = await Keystore.load(place(cut)).catch(error => error)
          if (found instanceof Keystore) {
            outcomes.add(text(await found.unlock('admin', ADMIN)))
          } else {
            outcomes.add(found.code)
            await Keystore.create(place(cut), content)
          }
        }
      }
    }
    t.same([...outcomes].sort(), ['first', 'wrong-state'])
  },
)

t.test('When the current file is damaged or gone, then the previous one is named and not taken', async t => {
  const disk = base.copy()
  disk.put('default', disk.files().default!.slice(0, -1))
  const before = disk.files()
  await t.rejects(Keystore.load(place(disk)), {
    code: 'keystore-damaged',
    hint: /generation 1 .* default\.previous/,
  })
  for (const [name, content] of Object.entries(before)) {
    if (!name.includes('.lock.')) t.same(disk.files()[name], content, name)
  }
  disk.names.delete('default')
  await t.rejects(Keystore.load(place(disk)), { code: 'keystore-damaged', hint: /generation 1/ })
  const creation = Keystore.create(place(disk), { state: bytes('x'), slots: [adminSlot] })
  await t.rejects(creation, { code: 'wrong-state' })
  disk.put('default', disk.files()['default.previous']!)
  t.equal(text(await (await Keystore.load(place(disk))).unlock('admin', ADMIN)), 'first', 'by hand it opens')
})

t.test(
  'When it is kept in a real directory, then it opens again, with files only the owner can read',
  async t => {
    const directory = t.testdir({})
    const { stat } = await import('node:fs/promises')
    const real = { storage: directoryStorage(directory), namespace: 'default', floor }
    const keystore = await Keystore.create(real, { state: bytes('first'), slots: [adminSlot, staffSlot] })
    await t.rejects(Keystore.load(real), { code: 'keystore-busy', message: new RegExp(String(process.pid)) })
    await keystore.update(to('second'))
    await keystore.close()
    const again = await Keystore.load(real)
    t.equal(text(await again.unlock('staff/till-1', STAFF)), 'second')
    await again.close()
    const names = (await real.storage.list()).sort()
    t.same(names, ['default', 'default.lock.2', 'default.previous', 'default.tries'])
    for (const name of names) t.equal((await stat(`${directory}/${name}`)).mode & 0o777, 0o600, name)
  },
)
