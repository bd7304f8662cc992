/** What the guard costs: deciding and writing the log beside opening alone, and how many decisions share one sync. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { directoryFiles, type LogFiles } from '../../appliance/keeper/audit/files.ts'
import { openFields } from '../../protocol/envelope/field.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import type { Figure } from './figure.ts'
import { type LocalKeeper, withKeeper } from './local-keeper.ts'
import { inTurns, MEMORY, median, milliseconds } from './measure.ts'

const BATCH = 100

const CALLERS = 32
/** Requests of each caller in a row, and how often they take turns with bare syncs. */
const REQUESTS = 40
const SYNCS = 200
const ROUNDS = 5

/** One batch at a time: nothing else that is under way hides the log. The floor parses the tokens and opens them. */
async function cost(): Promise<Figure> {
  return withKeeper(MEMORY, async ({ unlocked, items, decrypt }) => {
    const batch = items(Array.from({ length: BATCH }, (_, i) => `cust_cards/${i}`))
    const { privateKey } = unlocked.keys.get('orders')!.versions.get(1)!
    if (privateKey.suite === 'rsa') throw new Error('the key is an imported one')
    const openAlone = async () => {
      const ready = batch.map(([ciphertext, field, record]) => {
        const token = parseToken(ciphertext)
        return { privateKey, token, context: { namespace: 'default', key: token.key, field, record } }
      })
      const opened = await openFields(ready)
      if (!opened.every(value => value instanceof Uint8Array)) throw new Error('a field did not open')
    }
    const { floor, subject } = await inTurns(200, 200, openAlone, () => decrypt(batch))
    return { name: 'audit-cost', value: subject / floor, unit: 'x', floor, bar: 1.25, better: 'lower' }
  })
}

/** Ms of one entry written and synced alone, the median. */
async function aloneIn(files: LogFiles, line: Buffer, syncs: number): Promise<number> {
  const file = files.open('bare', 'append')
  const times: number[] = []
  for (let i = 0; i < syncs; i++)
    times.push(
      await milliseconds(() => {
        file.write(line)
        return file.sync()
      }),
    )
  file.close()
  return median(times)
}

/**
 * Decisions a second of 32 callers, times what one sync alone takes: so many share one.
 *
 * @param slower - ms that each sync takes longer than on this disk
 */
async function grouped(name: string, slower: number): Promise<Figure> {
  const slow = (real: LogFiles): LogFiles => ({
    ...real,
    open: (name, mode) => {
      const file = real.open(name, mode)
      return { ...file, sync: () => Promise.all([file.sync(), sleep(slower)]).then(() => {}) }
    },
  })
  const wrap = slower > 0 ? slow : (real: LogFiles) => real
  const directory = await mkdtemp(join(tmpdir(), 'clv-'))
  const measure = async ({ items, decrypt }: LocalKeeper) => {
    const singles = items(Array.from({ length: CALLERS }, (_, i) => `cust_cards/${i}`))
    const together = (requests: number) =>
      Promise.all(
        singles.map(async item => {
          for (let i = 0; i < requests; i++) await decrypt([item])
        }),
      )
    // About what an entry of one field has.
    const line = Buffer.alloc(330, 'x')
    const files = wrap(directoryFiles(directory))
    await together(REQUESTS * ROUNDS)
    const [floors, values]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      floors.push(await aloneIn(files, line, SYNCS))
      values.push((await milliseconds(() => together(REQUESTS))) / (CALLERS * REQUESTS))
    }
    const floor = median(floors)
    return { name, value: floor / median(values), unit: 'x', floor, bar: 8, better: 'higher' as const }
  }
  try {
    return await withKeeper(tmpdir(), measure, wrap)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A sync of a good SD card takes some 5 ms; disks of virtual machines may answer from memory. */
const CARD_MS = 5

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'audit-cost', run: cost },
  { name: 'group-commit', run: () => grouped('group-commit', 0) },
  { name: 'group-commit-card', run: () => grouped('group-commit-card', CARD_MS) },
]
