/** The exclusive lock of the keystore (docs/formats/keystore.md, "Exclusive lock"). */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import t from 'tap'
import { acquireLock, linuxProcesses, type ProcessTable } from '../../appliance/keeper/keystore/lock.ts'
import { directoryStorage } from '../../appliance/keeper/keystore/storage.ts'
import { Disk } from './keystore-disk.ts'

const script = new URL('keystore-child.ts', import.meta.url).pathname

/** A process that wants the lock when told. */
async function contender(directory: string) {
  const child: ChildProcess = spawn(process.execPath, [script, 'race', directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  await lines.next()
  return {
    child,
    start: () => child.stdin!.write('x'),
    outcome: async (): Promise<string> => (await lines.next()).value ?? 'ended',
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

const acquire = (directory: string, processes = linuxProcesses()) =>
  acquireLock(directoryStorage(directory), 'default', processes, randomBytes)

t.test(
  'When 20 processes race for a stale lock, then exactly one holds it, and kill -9 frees it',
  async t => {
    const directory = t.testdir({ 'default.lock.7': '{"pid":1,"start":"0","boot":"an earlier one"}' })
    const contenders = await Promise.all(Array.from({ length: 20 }, () => contender(directory)))
    t.teardown(() => Promise.all(contenders.map(({ kill }) => kill())))
    for (const { start } of contenders) start()
    const outcomes = await Promise.all(contenders.map(({ outcome }) => outcome()))
    const holder = contenders[outcomes.indexOf('held')]!
    t.equal(outcomes.filter(outcome => outcome === 'held').length, 1)
    t.equal(outcomes.filter(outcome => outcome.startsWith('keystore-busy ')).length, 19)
    await t.rejects(acquire(directory), {
      code: 'keystore-busy',
      message: new RegExp(` ${holder.child.pid} `),
    })
    await holder.kill()
    const lock = await acquire(directory)
    await lock.release()
    for (const { child } of contenders) child.stdin!.end()
    await Promise.all(
      contenders.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, 'exit')),
    )
  },
)

t.test('When the owner is alive by pid only, then its start time and boot decide', async t => {
  const self = await linuxProcesses().self()
  t.not(self.start, '')
  t.not(self.boot, '')
  const hold = async (owner: object | string, processes = linuxProcesses()) => {
    const content = typeof owner === 'string' ? owner : JSON.stringify(owner)
    const directory = t.testdir({ 'default.lock.3': content })
    return acquire(directory, processes).then(
      () => 'held',
      error => error.code,
    )
  }
  t.equal(await hold(self), 'keystore-busy', 'this very process')
  t.equal(await hold({ ...self, start: '1' }), 'held', 'the pid was used again')
  t.equal(await hold({ ...self, boot: 'an earlier one' }), 'held', 'the machine was started again')
  t.equal(await hold({ ...self, pid: 2 ** 22 + 1 }), 'held', 'no such process')
  t.equal(
    await hold({ ...self, start: '', boot: '' }),
    'keystore-busy',
    'without /proc the pid alone decides',
  )
  t.equal(await hold({ pid: 2 ** 22 + 1, start: '', boot: '' }), 'held')
  for (const torn of ['', '{"pid":', 'null', '[]', '{"pid":"1","start":"","boot":""}', 'released\n']) {
    t.equal(await hold(torn), 'held', `"${torn}" is nobody`)
  }
})

t.test('When the owner is dead but not yet reaped, then it holds nothing', async t => {
  // The shell leaves its child unreaped: it replaces itself by a program that does not wait for it.
  const shell = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => shell.kill('SIGKILL'))
  const pid = Number((await createInterface({ input: shell.stdout! })[Symbol.asyncIterator]().next()).value)
  const stat = () => readFile(`/proc/${pid}/stat`, 'utf8')
  const start = (await stat()).split(') ')[1]!.split(' ')[19]!
  while (!(await stat()).includes(') Z ')) await new Promise(resolve => setTimeout(resolve, 5))
  const { boot } = await linuxProcesses().self()
  t.equal(await linuxProcesses().isAlive({ pid, start, boot }), false)
})

t.test('When a lock is released, then the next one takes it, and leaves one file', async t => {
  const directory = t.testdir({})
  for (let i = 0; i < 5; i++) await (await acquire(directory)).release()
  t.same(await directoryStorage(directory).list(), ['default.lock.5'])
  await writeFile(`${directory}/default.lock.1-0123456789abcdef.new`, '')
  await acquire(directory)
  t.same(await directoryStorage(directory).list(), ['default.lock.6'], 'leftovers of the dead are removed')
})

t.test('When the disk fails at any operation, then there is no lock, and later there is', async t => {
  const alone: ProcessTable = {
    self: async () => ({ pid: 1, start: '1', boot: 'a' }),
    isAlive: async () => true,
  }
  for (let at = 0; at < 12; at++) {
    const disk = new Disk()
    disk.fault = { at, kind: 'EIO' }
    const code = await acquireLock(disk.storage(), 'default', alone, randomBytes).then(
      lock => lock.release(),
      error => error.code,
    )
    if (code !== undefined) t.equal(code, 'storage-failed')
    disk.fault = undefined
    // A release that the disk refused is a lock that is held until its process ends.
    const processes = code === undefined && at > 4 ? { ...alone, isAlive: async () => false } : alone
    await acquireLock(disk.storage(), 'default', processes, randomBytes)
  }
})

t.test('When processes come, go and die in any order of steps, then two never hold the lock', async t => {
  let held = 0
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.nat(1_000_000)),
      fc.integer({ min: 2, max: 5 }),
      async (choices, count) => {
        const disk = new Disk()
        const waiting: { slot: number; go: () => void }[] = []
        const dead = new Set<number>()
        let holder: number | null = null
        let running = count
        let last = 0
        const next = () => choices.next().value as number

        const work = async (slot: number) => {
          for (let life = 0; life < 6; life++) {
            const pid = slot * 100 + life + 1
            const seen = new Disk()
            seen.names = disk.names
            if (next() % 3 === 0) seen.fault = { at: next() % 10, kind: 'crash' }
            seen.pause = () => new Promise(resolve => waiting.push({ slot, go: resolve }))
            const processes: ProcessTable = {
              self: async () => ({ pid, start: String(pid), boot: 'a' }),
              isAlive: async owner => !dead.has(owner.pid),
            }
            const lock = await acquireLock(seen.storage(), 'default', processes, randomBytes).catch(
              () => null,
            )
            if (lock !== null) {
              if (holder !== null) throw new Error(`${pid} and ${holder} hold the lock`)
              holder = pid
              held += 1
              await seen.pause()
              await seen.pause()
              holder = null
              // Either it gives the lock back, or it dies with it.
              if (next() % 2 === 0) await lock.release()
            }
            dead.add(pid)
          }
          running -= 1
        }

        const all = Promise.all(Array.from({ length: count }, (_, slot) => work(slot)))
        const failed = all.then(
          () => null,
          error => error,
        )
        for (let steps = 0; running > 0 && steps < 3000; steps++) {
          // Let everyone reach their next step before one of them is chosen.
          await new Promise(resolve => setImmediate(resolve))
          if (waiting.length > 0) {
            // Mostly the same one goes on, so that others stand still between two steps while the lock changes hands.
            const same = waiting.findIndex(({ slot }) => slot === last)
            const chosen = same >= 0 && next() % 16 !== 0 ? same : next() % waiting.length
            last = waiting[chosen]!.slot
            waiting.splice(chosen, 1)[0]!.go()
          } else if ((await Promise.race([failed, null])) !== null) break
        }
        for (const { go } of waiting) go()
        const error = await Promise.race([failed, new Promise(resolve => setImmediate(() => resolve(null)))])
        if (error !== null) throw error
      },
    ),
    { numRuns: 150 },
  )
  t.ok(held > 150, `the lock was held ${held} times`)
})
