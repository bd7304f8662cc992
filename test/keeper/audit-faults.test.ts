/** The audit log on a disk that fills up, fails, and loses its power: what was acknowledged is there, and the log is whole. */

import t from 'tap'
import type { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { openCheckpoint } from '../../protocol/audit/checkpoint.ts'
import { readEntry } from '../../protocol/audit/entry.ts'
import { entriesName } from '../../protocol/audit/export.ts'
import { Disk } from './audit-disk.ts'
import { decrypt, fill, LOG_KEY, nodesName, openLog, VERIFIER_KEY } from './audit-entries.ts'

const UNAVAILABLE = { code: 'audit-unavailable' }

/** The index of an appended entry, or `null` if it was refused. */
async function tryAppend(log: AuditLog, record: string): Promise<number | null> {
  try {
    return await log.append(decrypt(record))
  } catch (error) {
    if ((error as { code: string }).code !== 'audit-unavailable') throw error
    return null
  }
}

const recordAt = (log: AuditLog, index: number) => readEntry(log.lines(index, 1)[0]!)!.items![0]!.records[0]

t.test(
  'When the power goes after any step, then every acknowledged entry is there and the log goes on',
  async t => {
    // Two entries before the end of a segment, so that a new one is begun on the way.
    const before = fill(new Disk(), 4094)
    const wrong: string[] = []
    let steps = 0
    for (let crashAt = 1; ; crashAt++) {
      const disk = before.copy()
      const log = await openLog(disk)
      const start = disk.operations.length
      disk.fault = { crashAt: start + crashAt }
      log.setSigner(LOG_KEY)
      const acknowledged: number[] = []
      for (let i = 0; i < 4; i++) {
        const index = await tryAppend(log, `new/${i}`)
        if (index !== null) acknowledged.push(index)
      }
      await log.archive(4096).catch(() => {})
      await log.close().catch(() => {})
      steps = disk.operations.length - start
      for (const [share, keepsNames] of [
        [0, false],
        [1, true],
        [0.5, true],
      ] as const) {
        const after = disk.afterPowerCut(() => share, keepsNames)
        const again = await openLog(after)
        const place = `after step ${crashAt} (${disk.operations.at(start + crashAt)}), ${share}`
        if (again.damage) wrong.push(`${place}: ${again.damage.message}`)
        for (const [i, index] of acknowledged.entries())
          if (index >= again.oldest() && recordAt(again, index) !== `new/${i}`)
            wrong.push(`${place}: entry ${index}`)
        if ((await again.append(decrypt('later'))) !== again.size - 1) wrong.push(`${place}: the next index`)
        if (!(await again.verify()).ok) wrong.push(`${place}: it does not verify`)
        const note = again.checkpoint()
        if (note) openCheckpoint(note, VERIFIER_KEY)
      }
      if (crashAt > steps) {
        t.same(acknowledged, [4094, 4095, 4096, 4097], 'the last round had no fault')
        break
      }
    }
    t.same(wrong, [])
    t.ok(steps > 20, `${steps} steps`)
  },
)

t.test(
  'When the disk is full at any byte, then the entry is refused, nothing of it stays, and the next one fits',
  async t => {
    const disk = new Disk()
    const log = await openLog(disk)
    await log.append(decrypt('first'))
    const name = entriesName(0)
    const whole = Buffer.from(disk.file(name))
    const wrong: string[] = []
    for (let space = 0; log.size === 1; space++) {
      disk.fault = { space }
      const error = await log.append(decrypt('other')).then(
        () => null,
        error => error,
      )
      if (error === null) {
        const taken = disk.file(name).length - whole.length
        if (space < taken) wrong.push(`${space}: accepted`)
        break
      }
      if (error.code !== 'audit-unavailable' || !/full/.test(error.message) || !/archive/.test(error.hint))
        wrong.push(`${space}: ${error.message}`)
      if (!disk.file(name).equals(whole)) wrong.push(`${space}: the log is not whole`)
    }
    t.same(wrong, [])
    t.equal(log.size, 2, 'it goes on when there is space')
    t.same(await log.verify(), { ok: true, size: 2 })
  },
)

t.test(
  'When the disk is full where a segment ends, then nothing is lost and the log goes on later',
  async t => {
    for (const space of [0, 1000, 262_112]) {
      const disk = fill(new Disk(), 4096)
      disk.remove(nodesName(0))
      const log = await openLog(disk, {})
      disk.remove(nodesName(0))
      disk.fault = { space }
      await t.rejects(log.append(decrypt('r')), { ...UNAVAILABLE, message: /full/ })
      t.notOk(
        [...disk.names.keys()].some(name => name.endsWith('.new')),
        'no half a file stays',
      )
      disk.fault = {}
      t.equal(await log.append(decrypt('r')), 4096)
      t.same(await log.verify(), { ok: true, size: 4097 })
      t.equal((await openLog(disk)).damage, null)
    }
  },
)

t.test(
  'When the disk is full, then administrators can still write, archive, and so make room for all',
  async t => {
    const disk = fill(new Disk(), 4096 + 10)
    const log = await openLog(disk)
    log.setSigner(LOG_KEY)
    disk.fault = { space: 0 }
    await t.rejects(log.append(decrypt('r')), { ...UNAVAILABLE, message: /disk is full/ })
    t.ok(disk.names.has('reserve'), 'what others are refused does not cost the reserve')
    t.equal(await log.append(decrypt('r'), { administrative: true }), 4106)
    t.notOk(disk.names.has('reserve'))
    await t.rejects(
      log.append(decrypt('r')),
      { ...UNAVAILABLE, message: /disk is full/ },
      'the room that there is now is not for everybody',
    )
    t.equal(await log.archive(4096), 4096)
    t.ok(disk.names.has('reserve'), 'the dropped segment made room for the reserve')
    t.equal(await log.append(decrypt('r')), 4107)
    t.same(await log.verify(), { ok: true, size: 4108 })
  },
)

t.test(
  'When the disk is too full for the reserve at the start, then only administrators may write',
  async t => {
    const disk = fill(new Disk(), 10)
    disk.fault = { space: 5000 }
    const log = await openLog(disk)
    t.notOk(disk.names.has('reserve'))
    await t.rejects(log.append(decrypt('r')), { ...UNAVAILABLE, message: /disk is full/ })
    t.equal(await log.append(decrypt('r'), { administrative: true }), 10)
  },
)

t.test(
  'When a sync fails, then whoever waited is refused, and everybody until the log is opened again',
  async t => {
    const disk = new Disk()
    const log = await openLog(disk)
    await log.append(decrypt('first'))
    disk.fault = { failingSyncs: number => number === 1 }
    const results = await Promise.allSettled([1, 2, 3].map(i => log.append(decrypt(`r/${i}`))))
    t.same(
      results.map(({ status }) => status),
      Array(3).fill('rejected'),
    )
    await t.rejects(log.append(decrypt('later')), UNAVAILABLE, 'though the next sync would succeed')
    t.equal(log.size, 1)
    const again = await openLog(disk.afterPowerCut(() => 1, true))
    t.equal(again.damage, null)
    t.equal(again.size, 1, 'what could not be made durable was taken back')
    t.equal(await again.append(decrypt('second')), 1)
  },
)

t.test('When the name of a segment cannot be made durable, then the log is not written', async t => {
  const disk = new Disk()
  const log = await openLog(disk)
  disk.fault = { failingDirectory: true }
  await t.rejects(log.append(decrypt('r')), UNAVAILABLE)
  disk.fault = {}
  await t.rejects(log.append(decrypt('r')), UNAVAILABLE)
  t.equal(await (await openLog(disk)).append(decrypt('r')), 0)
})

t.test('When half a line can not even be taken back, then nothing is written behind it', async t => {
  const disk = new Disk()
  const log = await openLog(disk)
  await log.append(decrypt('first'))
  disk.fault = { space: 40, failingTruncate: true }
  await t.rejects(log.append(decrypt('second')), UNAVAILABLE)
  disk.fault = {}
  await t.rejects(log.append(decrypt('third')), UNAVAILABLE)
  const again = await openLog(disk)
  t.equal(again.damage, null)
  t.equal(await again.append(decrypt('second')), 1)
  t.equal(recordAt(again, 1), 'second')
})

t.test('When the last line is torn at any byte, then it is cut off and the log goes on', async t => {
  const disk = new Disk()
  const log = await openLog(disk)
  for (const record of ['a', 'b']) await log.append(decrypt(record))
  const whole = disk.file(entriesName(0))
  const first = whole.indexOf('\n') + 1
  const wrong: number[] = []
  for (let length = first; length < whole.length; length++) {
    const torn = new Disk()
    torn.put(entriesName(0), whole.subarray(0, length))
    const again = await openLog(torn)
    if (again.damage || again.size !== 1 || torn.file(entriesName(0)).length !== first) wrong.push(length)
    if ((await again.append(decrypt('c'))) !== 1 || recordAt(again, 1) !== 'c') wrong.push(length)
  }
  t.same(wrong, [])
  const zeros = new Disk()
  zeros.put(entriesName(0), Buffer.concat([whole, Buffer.alloc(5000)]))
  t.equal((await openLog(zeros)).size, 2, 'blocks that were never written are cut off too')
  const huge = new Disk()
  huge.put(entriesName(0), Buffer.concat([whole, Buffer.alloc(5_000_000, 'x')]))
  t.equal((await openLog(huge)).size, 2)
})

t.test(
  'When entries cannot be dropped half-way, then those that remain are whole and it can be asked again',
  async t => {
    const disk = fill(new Disk(), 3 * 4096 + 1)
    const log = await openLog(disk)
    log.setSigner(LOG_KEY)
    disk.fault = { failingDirectory: true }
    await t.rejects(log.archive(8192), UNAVAILABLE)
    t.equal(log.oldest(), 0)
    disk.fault = {}
    t.equal(await log.archive(8192), 8192)
    t.same(await log.verify(), { ok: true, size: 3 * 4096 + 1 })
  },
)

t.test('When entries are dropped, then their nodes are right and durable before any line goes', async t => {
  const disk = fill(new Disk(), 2 * 4096 + 1)
  const good = Buffer.from(disk.file(nodesName(0)))
  const log = await openLog(disk)
  log.setSigner(LOG_KEY)
  disk.file(nodesName(0))[7]! ^= 1
  const start = disk.operations.length
  t.equal(await log.archive(8192), 8192)
  t.same(disk.file(nodesName(0)), good, 'a damaged node was made again')
  const steps = disk.operations.slice(start)
  const gone = steps.findIndex(name => name.startsWith('unlink entries'))
  for (const first of [0, 4096]) {
    const synced = steps.findIndex(name => name.startsWith(`sync ${nodesName(first)}`))
    t.ok(synced !== -1 && synced < gone, `nodes of ${first}`)
  }
  t.equal(steps[gone - 1], 'open entries-000000000.jsonl read')
  t.equal(steps[gone - 2], 'syncDirectory', 'their names are durable too')
})

t.test('When the newest segment could not be begun, then the one before it is not dropped', async t => {
  const disk = fill(new Disk(), 4096)
  const log = await openLog(disk)
  log.setSigner(LOG_KEY)
  disk.fault = { space: 262_112 }
  await t.rejects(log.append(decrypt('r')), UNAVAILABLE)
  disk.fault = {}
  await t.rejects(log.archive(4096), { code: 'audit-in-use' })
  await log.close()
  t.equal((await openLog(disk)).damage, null)
})

t.test('When a line in a segment is not what it was, then its segment is not dropped', async t => {
  const disk = fill(new Disk(), 2 * 4096 + 1)
  const log = await openLog(disk)
  log.setSigner(LOG_KEY)
  disk.remove(nodesName(0))
  disk.file(entriesName(0))[100]! ^= 1
  await t.rejects(log.archive(4096), { code: 'audit-damaged', index: 0 })
  t.ok(disk.names.has(entriesName(0)))
})
