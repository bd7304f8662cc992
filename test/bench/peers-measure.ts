/** Programs that do the same deed side by side: what one opening costs a caller, and how many there are a second with four callers at once. */
import { spawnSync } from 'node:child_process'
import { type Figure, LackingProgram, type Row } from './figure.ts'
import { median, milliseconds } from './measure.ts'

/** Callers at once, where that is measured. */
export const CALLERS = 4
/** What every one of them opens. */
export const SECRET = '4242424242424242'

const ROUNDS = 4
const ROUND_MS = 300
/** Ours are compiled as they work: it is some 12,000 openings until they are as fast as they become. The limit is for a busy machine. */
const COMPILED = { openings: 12_000, ms: 10_000 }

/** One program, as its callers see it. */
export interface Subject {
  name: string
  /** It is a service of ours that stays: measured when it is compiled. */
  isCompiled?: boolean
  /** Ms of each opening, one after the other, for this long. */
  alone(ms: number): Promise<number[]>
  /** Openings a second of {@link CALLERS} callers at once, for this long. */
  together(ms: number): Promise<number>
}

/** What is called from this process. */
export function calling(name: string, open: () => Promise<void>): Subject {
  const callFor = async (ms: number) => {
    const times: number[] = []
    const end = performance.now() + ms
    do times.push(await milliseconds(open))
    while (performance.now() < end)
    return times
  }
  return {
    name,
    alone: callFor,
    together: async ms => {
      const start = performance.now()
      const counts = await Promise.all(Array.from({ length: CALLERS }, () => callFor(ms)))
      return (counts.flat().length * 1000) / (performance.now() - start)
    },
  }
}

async function warmUp(subject: Subject): Promise<void> {
  const wanted = subject.isCompiled ? COMPILED.openings : 0
  const end = performance.now() + COMPILED.ms
  let done = 0
  do done += ((await subject.together(ROUND_MS)) * ROUND_MS) / 1000
  while (done < wanted && performance.now() < end)
}

/** Measures them in turns, so that a neighbour's noise meets all. */
async function sideBySide(subjects: readonly Subject[]): Promise<Row[]> {
  for (const subject of subjects) await warmUp(subject)
  const measured = subjects.map(({ name }) => ({ name, times: [] as number[], rates: [] as number[] }))
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, subject] of subjects.entries()) {
      measured[i]!.times.push(...(await subject.alone(ROUND_MS)))
      measured[i]!.rates.push(await subject.together(ROUND_MS))
    }
  return measured.map(({ name, times, rates }) => ({ name, p50: median(times), perSecond: median(rates) }))
}

/**
 * A figure of a peer: the p50 of ours, in that of the peer.
 *
 * @param subjects - the peer that is the floor first, ours last
 */
export async function besidePeer(name: string, subjects: readonly Subject[]): Promise<Figure> {
  const rows = await sideBySide(subjects)
  const [floor, subject] = [rows[0]!.p50, rows.at(-1)!.p50]
  return { name, value: subject / floor, unit: 'x', floor, bar: null, better: 'lower', rows }
}

/**
 * @param programs - names or paths, and the package of Debian that has each
 * @throws LackingProgram
 */
export function needPrograms(programs: Readonly<Record<string, string>>): void {
  for (const [program, debian] of Object.entries(programs))
    if (spawnSync('sh', ['-c', 'command -v "$1" || test -e "$1"', 'sh', program]).status !== 0)
      throw new LackingProgram(program, debian)
}
