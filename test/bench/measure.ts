/** Measuring two things in turns, so that a neighbour's noise meets both. */

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

/**
 * Medians of two subjects that take turns, in ms.
 *
 * @param rounds - measured turns of each, after a tenth as many to warm up
 */
export async function inTurns(
  rounds: number,
  floor: () => unknown,
  subject: () => unknown,
): Promise<{ floor: number; subject: number }> {
  const times: { floor: number[]; subject: number[] } = { floor: [], subject: [] }
  for (let round = -Math.ceil(rounds / 10); round < rounds; round++) {
    const one = await milliseconds(floor)
    const other = await milliseconds(subject)
    if (round < 0) continue
    times.floor.push(one)
    times.subject.push(other)
  }
  return { floor: median(times.floor), subject: median(times.subject) }
}
