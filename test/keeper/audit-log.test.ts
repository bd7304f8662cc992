/** The audit log as its users see it: what it promises, proves, refuses and drops. */

import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { openCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { type Entry, readEntry } from '../../protocol/audit/entry.ts'
import { leafHash, peaksOf, verifyConsistency, verifyInclusion } from '../../protocol/audit/merkle.ts'
import { Disk } from './audit-disk.ts'
import { counting, decrypt, fill, LOG_KEY, lineAt, ORIGIN, openLog, VERIFIER_KEY } from './audit-entries.ts'

t.test('When entries are appended on a real disk, then they are there after a restart, in order', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'claviger-audit-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const options = { directory: join(directory, 'default'), origin: ORIGIN, clock: counting() }
  const log = await AuditLog.open(options)
  t.equal(log.checkpoint(), null)
  log.setSigner(LOG_KEY)
  const indices = await Promise.all(
    Array.from({ length: 5000 }, (_, i) => log.append(decrypt(`orders/${i}`))),
  )
  t.same(
    indices,
    Array.from({ length: 5000 }, (_, i) => i),
  )
  const note = log.checkpoint()
  t.same(openCheckpoint(note!, VERIFIER_KEY), { origin: ORIGIN, size: 5000, root: log.root() })
  await log.close()
  await t.rejects(log.append(decrypt('late')), { code: 'audit-unavailable' })
  t.same((await readdir(options.directory)).sort(), [
    'checkpoint',
    'entries-000000000.jsonl',
    'entries-000004096.jsonl',
    'nodes-000000000.bin',
    'reserve',
  ])

  const seen: Entry[] = []
  const again = await AuditLog.open({ ...options, visit: entry => seen.push(entry) })
  t.teardown(() => again.close())
  t.equal(again.damage, null)
  t.same(
    seen.map(({ index, items }) => [index, items![0]!.records[0]]),
    indices.map(i => [i, `orders/${i}`]),
  )
  t.equal(again.checkpoint(), note, 'a locked device shows what it signed before')
  t.same(await again.verify(), { ok: true, size: 5000 })
  const replayed: number[] = []
  await again.replay(entry => replayed.push(entry.index))
  t.same(replayed, indices)
  t.equal(await again.append(decrypt('next')), 5000)
})

t.test(
  'When many entries wait, then they share a write and a sync, and none is acknowledged before it',
  async t => {
    const disk = new Disk()
    const log = await openLog(disk)
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    disk.beforeSync = () => gate
    const acknowledged: number[] = []
    const appends = Array.from({ length: 100 }, async (_, i) => {
      acknowledged.push(await log.append(decrypt(`orders/${i}`)))
    })
    await new Promise(resolve => setTimeout(resolve, 20))
    const late = log.append(decrypt('orders/100'))
    t.equal(disk.operations.filter(name => name.startsWith('write entries')).length, 1)
    t.same(acknowledged, [], 'nobody was told anything before the sync')
    t.equal(log.size, 0)
    open()
    await Promise.all([...appends, late])
    t.equal(disk.syncs, 2, 'one sync for the first hundred, one for who came later')
    t.equal(log.size, 101)
    t.ok(log.stats().fsyncMs.max > 0)
  },
)

t.test(
  'When a proof is asked for, then it verifies against any later checkpoint, across segments',
  async t => {
    const log = await openLog(fill(new Disk(), 3 * 4096 + 77))
    log.setSigner(LOG_KEY)
    const sizes = [1, 2, 4095, 4096, 4097, 8192, 3 * 4096, 3 * 4096 + 77]
    const rootAt = (size: number) => {
      // folded from the subtrees, not by the code that is tested
      return log.peaks(size).reduceRight((right, left) => hashOfPair(left, right))
    }
    const wrong: string[] = []
    for (const newSize of sizes) {
      for (const oldSize of sizes.filter(size => size <= newSize)) {
        const proof = log.consistency(oldSize, newSize)
        if (
          !verifyConsistency({ oldSize, newSize, oldRoot: rootAt(oldSize), newRoot: rootAt(newSize), proof })
        )
          wrong.push(`${oldSize} to ${newSize}`)
      }
      for (const index of [0, 1, 4095, 4096, 5000, 8191, newSize - 1].filter(index => index < newSize)) {
        const leaf = leafHash(Buffer.from(lineAt(index)))
        if (
          !verifyInclusion({
            leaf,
            index,
            size: newSize,
            proof: log.inclusion(index, newSize),
            root: rootAt(newSize),
          })
        )
          wrong.push(`${index} in ${newSize}`)
      }
    }
    t.same(wrong, [])
    t.same(log.consistency(0, 5), [])
    t.same(log.peaks(5000).length, peaksOf(5000).length)
    const { size } = log
    for (const [act, name] of [
      [() => log.inclusion(size, size), 'an entry that is not there'],
      [() => log.inclusion(3, 3), 'an entry beyond the tree'],
      [() => log.inclusion(-1, 3), 'an entry before the first'],
      [() => log.inclusion(0.5, 3), 'half an entry'],
      [() => log.consistency(5, size + 1), 'a tree that is not there yet'],
      [() => log.consistency(6, 5), 'a tree that shrinks'],
      [() => log.lines(size + 1, 1), 'lines that are not there yet'],
    ] as const)
      t.throws(act, { code: 'unknown-entry' }, name)
  },
)

t.test('When lines are read in pages, then each page goes on where the last one ended', async t => {
  const log = await openLog(fill(new Disk(), 2 * 4096 + 10))
  const lines: string[] = []
  while (lines.length < log.size) lines.push(...log.lines(lines.length, 999, 50_000))
  t.same(
    lines,
    Array.from({ length: log.size }, (_, i) => lineAt(i)),
  )
  t.equal(log.lines(4000, 200).at(0), lineAt(4000))
  t.equal(log.lines(10, 1, 1).length, 1, 'a page has at least one line')
  t.same(log.lines(log.size, 10), [])
  const leaves = log.leaves(4000, 200)
  t.same(leaves.subarray(0, 32), leafHash(Buffer.from(lineAt(4000))))
  t.same(leaves.subarray(-32), leafHash(Buffer.from(lineAt(4199))))
})

t.test(
  'When the log has as many entries as it may, then it refuses all but administrators, then those too',
  async t => {
    const disk = new Disk()
    const log = await openLog(disk, { capacity: 10, reserve: 2 })
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => log.append(decrypt('r'))))
    t.same(
      results.map(({ status }) => status === 'fulfilled'),
      [...Array(10).fill(true), false, false],
    )
    await t.rejects(log.append(decrypt('r')), { code: 'audit-unavailable', message: /full/, hint: /archive/ })
    t.equal(await log.append(decrypt('r'), { administrative: true }), 10)
    t.equal(await log.append(decrypt('r'), { administrative: true }), 11)
    await t.rejects(log.append(decrypt('r'), { administrative: true }), { code: 'audit-unavailable' })
    t.equal((await openLog(disk)).size, 12)
  },
)

t.test('When an entry cannot be written down, then only that one is refused', async t => {
  const log = await openLog(new Disk())
  await t.rejects(log.append({ ...decrypt('r'), count: -1 }), { code: 'malformed-request' })
  await t.rejects(log.append({ ...decrypt('r'), reason: 'x'.repeat(3_000_000) }), { code: 'too-large' })
  t.equal(await log.append({ ...decrypt('r'), reason: 'x'.repeat(2_000_000) }), 0)
  t.equal(readEntry(log.lines(0, 1)[0]!)!.reason!.length, 2_000_000)
  t.same(await log.verify(), { ok: true, size: 1 })
})

t.test(
  'When segments are archived, then their lines are gone, there is room again, and every proof works',
  async t => {
    const disk = fill(new Disk(), 3 * 4096 + 5)
    const log = await openLog(disk, { capacity: 3 * 4096 + 5 })
    const root = log.root()
    await t.rejects(log.append(decrypt('r')), { code: 'audit-unavailable' })
    await t.rejects(log.archive(8192), { code: 'audit-in-use', hint: /unlock/ }, 'no checkpoint covers them')
    log.setSigner(LOG_KEY)
    await t.rejects(log.archive(4095), { code: 'audit-in-use' }, 'no whole segment')
    await t.rejects(log.archive(log.size + 1), { code: 'audit-in-use' }, 'entries that are not there')
    await t.rejects(log.archive(Number.NaN), { code: 'audit-in-use' })
    t.equal(await log.archive(9000), 8192)
    await t.rejects(log.archive(9000), { code: 'audit-in-use' }, 'they are dropped already')
    t.equal(log.oldest(), 8192)
    t.equal(await log.append(decrypt('r')), 3 * 4096 + 5)
    await log.close()

    const visited: number[] = []
    const again = await openLog(disk, { visit: entry => visited.push(entry.index) })
    t.equal(again.damage, null)
    t.equal(visited[0], 8192)
    t.equal(again.oldest(), 8192)
    t.same(await again.verify(), { ok: true, size: 3 * 4096 + 6 })
    t.throws(() => again.lines(8191, 1), { code: 'unknown-entry' })
    t.equal(again.lines(8192, 1)[0], lineAt(8192))
    const size = 3 * 4096 + 5
    const proof = again.inclusion(100, size)
    t.ok(verifyInclusion({ leaf: leafHash(Buffer.from(lineAt(100))), index: 100, size, proof, root }))
    t.same(again.stats().oldest, 8192)
    again.setSigner(LOG_KEY)
    t.equal(await again.archive(again.size), 3 * 4096, 'the newest segment stays')
    t.equal(again.lines(3 * 4096, 100).length, 6)
  },
)

t.test('When a checkpoint is due, then it is on the disk without anybody asking', async t => {
  const disk = new Disk()
  const log = await openLog(disk)
  log.setSigner(LOG_KEY)
  await Promise.all(Array.from({ length: 255 }, () => log.append(decrypt('r'))))
  t.equal(log.stats().checkpoint, null)
  await log.append(decrypt('r'))
  await new Promise(resolve => setTimeout(resolve, 10))
  t.equal(log.stats().checkpoint!.size, 256)
  await log.append(decrypt('r'))
  log.setSigner(null)
  t.equal(openCheckpoint(log.checkpoint()!, VERIFIER_KEY).size, 256)
  log.setSigner(LOG_KEY)
  await log.close()
  t.equal(openCheckpoint(disk.file('checkpoint').toString(), VERIFIER_KEY).size, 257)
  t.equal(disk.openFiles, 0, 'no file stays open')
})

function hashOfPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest()
}

t.test(
  'When the newest entries are read back, then in turn from the last one, over segments, and no more than asked for',
  async t => {
    const log = await openLog(fill(new Disk(), 2 * 4096 + 10))
    const read = async (entries: number, bytes = 1e9, stopAt = -1) => {
      const seen: number[] = []
      const all = await log.newestFirst({ entries, bytes }, line => {
        const { index } = readEntry(line)!
        seen.push(index)
        return index !== stopAt
      })
      return { seen, all }
    }
    const down = (from: number, count: number) => Array.from({ length: count }, (_, i) => from - i)
    t.same(await read(1e9), { seen: down(8201, 8202), all: true })
    t.same(await read(8202), { seen: down(8201, 8202), all: true })
    t.same(await read(5000), { seen: down(8201, 5000), all: false })
    t.same(await read(1e9, 1), { seen: [8201], all: false })
    t.same(await read(1e9, 1e9, 8190), { seen: down(8201, 12), all: false })
    await log.append({ ...decrypt('long'), reason: 'ü'.repeat(400_000) })
    t.same(await read(3), { seen: down(8202, 3), all: false }, 'also a line that is longer than a piece')
    t.same(await (await openLog(new Disk())).newestFirst({ entries: 1, bytes: 1 }, () => true), true)
  },
)
