/** Measuring two things in turns, so that a neighbour's noise meets both. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** Where syncs cost nothing, so that what is measured is the work and not the disk. */
export const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

/** Ms that `run` takes. */
export async function milliseconds(run: () => unknown): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

/** Turns that one subject takes in a row: a load is one or the other, not both in alternation. */
const BLOCK = 20

async function block(run: () => unknown): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < BLOCK; i++) times.push(await milliseconds(run))
  return times
}

/**
 * Medians of two subjects that take turns, in ms.
 *
 * @param rounds - measured turns of each
 * @param warmUp - turns before that, so that both are compiled when they are measured
 */
export async function inTurns(
  rounds: number,
  warmUp: number,
  floor: () => unknown,
  subject: () => unknown,
): Promise<{ floor: number; subject: number }> {
  const times: { floor: number[]; subject: number[] } = { floor: [], subject: [] }
  for (let round = -warmUp; round < rounds; round += BLOCK) {
    const ones = await block(floor)
    const others = await block(subject)
    if (round < 0) continue
    times.floor.push(...ones)
    times.subject.push(...others)
  }
  return { floor: median(times.floor), subject: median(times.subject) }
}
