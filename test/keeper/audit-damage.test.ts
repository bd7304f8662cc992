/** An audit log that somebody or something changed: it is noticed, the entry is named, and no more work is done. */

import fc from 'fast-check'
import t from 'tap'
import { openCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { entriesName } from '../../protocol/audit/export.ts'
import { verifyConsistency } from '../../protocol/audit/merkle.ts'
import { Disk } from './audit-disk.ts'
import {
  decrypt,
  fill,
  LOG_KEY,
  lineAt,
  nodesName,
  openLog,
  segmentsOf,
  VERIFIER_KEY,
} from './audit-entries.ts'

/** A closed log with a signed checkpoint. */
async function closedLog(size: number): Promise<Disk> {
  const disk = fill(new Disk(), size)
  const log = await openLog(disk)
  log.setSigner(LOG_KEY)
  await log.close()
  return disk
}

function flip(disk: Disk, name: string, bit: number): void {
  disk.file(name)[bit >> 3]! ^= 1 << (bit & 7)
}

/** Index of the line that a byte belongs to. */
const lineOf = (bytes: Buffer, at: number) => bytes.subarray(0, at).toString('latin1').split('\n').length - 1

t.test(
  'When any bit of the newest lines is flipped, then the entry is named, with a checkpoint or without',
  async t => {
    for (const covered of [false, true]) {
      const disk = covered ? await closedLog(3) : fill(new Disk(), 3)
      const bits = disk.file(entriesName(0)).length * 8
      const wrong: string[] = []
      for (let bit = 0; bit < bits; bit++) {
        const damaged = disk.copy()
        flip(damaged, entriesName(0), bit)
        const log = await openLog(damaged)
        const expected = lineOf(disk.file(entriesName(0)), bit >> 3)
        if (log.damage?.code !== 'audit-damaged' || log.damage.index !== expected)
          wrong.push(`${bit}: ${log.damage?.message}`)
      }
      t.same(wrong, [])
    }
  },
)

const full = await closedLog(4096 + 50)

t.test('When any bit of a complete segment is flipped, then the entry is named', async () => {
  const lines = full.file(entriesName(0))
  await fc.assert(
    fc.asyncProperty(fc.nat(lines.length * 8 - 1), fc.boolean(), async (bit, withNodes) => {
      const damaged = full.copy()
      flip(damaged, entriesName(0), bit)
      if (!withNodes) damaged.remove(nodesName(0))
      const log = await openLog(damaged)
      return log.damage?.index === lineOf(lines, bit >> 3)
    }),
    { numRuns: 60 },
  )
})

t.test(
  'When a bit of a node file is flipped, or the file is missing or cut, then it is made again',
  async () => {
    const good = Buffer.from(full.file(nodesName(0)))
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length * 8 - 1), fc.nat(2), async (bit, kind) => {
        const damaged = full.copy()
        if (kind === 0) flip(damaged, nodesName(0), bit)
        else if (kind === 1) damaged.remove(nodesName(0))
        else damaged.put(nodesName(0), good.subarray(0, bit >> 3))
        const log = await openLog(damaged)
        return log.damage === null && damaged.file(nodesName(0)).equals(good)
      }),
      { numRuns: 40 },
    )
  },
)

t.test(
  'When a node of dropped entries is damaged, then the log says so at the start or when it verifies',
  async t => {
    const disk = full.copy()
    const dropping = await openLog(disk)
    dropping.setSigner(LOG_KEY)
    await dropping.archive(4096)
    const bytes = disk.file(nodesName(0)).length
    for (const at of [0, 4096 * 32, bytes - 33, bytes - 1]) {
      const damaged = disk.copy()
      flip(damaged, nodesName(0), at * 8)
      const log = await openLog(damaged)
      const verdict = await log.verify()
      t.equal(verdict.ok, false, `byte ${at}`)
      t.equal(log.damage?.code, 'audit-damaged')
    }
    disk.remove(nodesName(0))
    t.match((await openLog(disk)).damage, { code: 'audit-damaged', index: 0 })
  },
)

t.test('When the checkpoint on the disk is damaged or forged, then the log says so', async t => {
  const note = full.file('checkpoint').toString()
  const signature = note.lastIndexOf(' ') + 12
  const wrong: number[] = []
  for (let at = 0; at < note.length; at++) {
    const damaged = full.copy()
    damaged.file('checkpoint')[at]! ^= 1
    const log = await openLog(damaged)
    log.setSigner(LOG_KEY)
    if (log.damage === null) wrong.push(at)
    if (at === 0 || at === signature)
      await t.rejects(log.append(decrypt('r')), { code: 'audit-unavailable', message: /damaged/ })
  }
  t.same(wrong, [])
})

t.test(
  'When entries are missing at the end, in the middle, or all of them, then the first one is named',
  async t => {
    const cases: [string, number, (disk: Disk) => void][] = [
      ['the last line', 4096 + 49, disk => cutLines(disk, 4096, 49)],
      ['all lines of the last segment', 4096, disk => cutLines(disk, 4096, 0)],
      ['the last segment', 4096, disk => disk.remove(entriesName(4096))],
      ['the end of a segment', 4000, disk => cutLines(disk, 0, 4000)],
      [
        'the first line',
        0,
        disk => disk.put(entriesName(0), disk.file(entriesName(0)).subarray(lineAt(0).length + 1)),
      ],
      ['everything', 0, disk => [0, 4096].forEach(first => void disk.remove(entriesName(first)))],
    ]
    for (const [name, index, change] of cases) {
      const damaged = full.copy()
      change(damaged)
      const log = await openLog(damaged)
      t.match(log.damage, { code: 'audit-damaged', index }, name)
      t.match(log.damage!.message, String(index))
    }
    const gap = fill(new Disk(), 3 * 4096)
    gap.remove(entriesName(4096))
    t.match((await openLog(gap)).damage, { code: 'audit-damaged', index: 4096 }, 'a segment in the middle')
  },
)

function cutLines(disk: Disk, first: number, lines: number): void {
  const text = disk.file(entriesName(first)).toString().split('\n').slice(0, lines)
  disk.put(entriesName(first), Buffer.from(text.map(line => `${line}\n`).join('')))
}

t.test(
  'When lines and nodes were both written anew, then they are not what the checkpoint was signed for',
  async t => {
    const forged = full.copy()
    for (const { first, lines, nodes } of segmentsOf(4096 + 50, index =>
      index === 77 ? 'orders/forged' : undefined,
    )) {
      forged.put(entriesName(first), Buffer.from(lines))
      if (nodes) forged.put(nodesName(first), nodes)
    }
    const log = await openLog(forged)
    t.match(log.damage, { code: 'audit-damaged', message: /checkpoint/ })
  },
)

t.test(
  'When the log is damaged, then it can be read and exported, but takes no entry and signs nothing',
  async t => {
    const damaged = full.copy()
    flip(damaged, entriesName(0), 8 * 400)
    const log = await openLog(damaged)
    const index = log.damage!.index!
    log.setSigner(LOG_KEY)
    t.equal(openCheckpoint(log.checkpoint()!, VERIFIER_KEY).size, 4096 + 50, 'the one that was signed before')
    const lines = [...log.lines(0, 4096, 10_000_000), ...log.lines(4096, 50)]
    t.same(
      lines.flatMap((line, i) => (line === lineAt(i) ? [] : [i])),
      [index],
    )
    t.not(log.leaves(index, 1).toString(), '', 'and the leaf hash shows what it was')
    await t.rejects(log.append(decrypt('r'), { administrative: true }), {
      code: 'audit-unavailable',
      message: /damaged/,
    })
    await t.rejects(log.archive(4096), { code: 'audit-damaged' })
    for (const act of [
      () => log.root(),
      () => log.inclusion(0, 1),
      () => log.consistency(1, 2),
      () => log.peaks(1),
    ])
      t.throws(act, { code: 'audit-damaged', index })
    t.match(await log.verify(), { ok: false, index })
  },
)

t.test(
  'When a bit rots while the log is in use, then verifying names it and no more entries are taken',
  async t => {
    for (const [name, index] of [
      [entriesName(0), 0],
      [entriesName(4096), 4096],
    ] as const) {
      const disk = full.copy()
      const log = await openLog(disk)
      await log.append(decrypt('r'))
      disk.file(name)[50]! ^= 4
      t.match(await log.verify(), { ok: false, index })
      await t.rejects(log.append(decrypt('r')), { code: 'audit-unavailable' })
    }
  },
)

t.test('When the whole disk is put back to an older copy, then agents notice by its consistency', async t => {
  const older = await closedLog(4000)
  const newer = older.copy()
  const log = await openLog(newer)
  log.setSigner(LOG_KEY)
  for (let i = 0; i < 10; i++) await log.append(decrypt(`r/${i}`))
  const seen = openCheckpoint(log.checkpoint()!, VERIFIER_KEY)

  const back = await openLog(older)
  back.setSigner(LOG_KEY)
  t.equal(back.damage, null, 'the device itself cannot know')
  const shown = openCheckpoint(back.checkpoint()!, VERIFIER_KEY)
  t.ok(shown.size < seen.size, 'an agent sees a shorter log')
  t.throws(() => back.consistency(seen.size, shown.size), { code: 'unknown-entry' })

  for (let i = 0; i < 20; i++) await back.append(decrypt(`other/${i}`))
  const forked = openCheckpoint(back.checkpoint()!, VERIFIER_KEY)
  const proof = back.consistency(seen.size, forked.size)
  const claim = { oldSize: seen.size, oldRoot: seen.root, newSize: forked.size, newRoot: forked.root }
  t.notOk(verifyConsistency({ ...claim, proof }), 'or one that is not a continuation')
  const honest = { ...claim, oldSize: shown.size, oldRoot: shown.root }
  t.ok(verifyConsistency({ ...honest, proof: back.consistency(shown.size, forked.size) }))
})
