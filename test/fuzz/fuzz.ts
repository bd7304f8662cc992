/** A mutation fuzzer in one process: deterministic, and deaf to what is covered. What it lacks in aim it has in number. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Random } from './random.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** What is fuzzed. */
export interface Door {
  /** Well-formed inputs. */
  readonly seeds: readonly Buffer[]
  /** Pieces that mean something there, to be put in anywhere. */
  readonly words: readonly Buffer[]
  /** One more kind of change, which keeps the form of what it changes; `null` for what has not the form. */
  vary?(input: Buffer, random: Random): Buffer | null
  /**
   * Takes one input.
   * @returns what became of it, in a word or two
   * @throws any error for what must not be
   */
  take(input: Buffer, random: Random): Promise<string>
  /** Ends what it started. */
  close?(): Promise<void>
}

export interface Report {
  count: number
  seconds: number
  /** The longest that one input took, ms. */
  slowest: number
  /** How much more the heap holds at the end than after the first thousand inputs, MiB. */
  grown: number
  /** How often each fate was met. */
  fates: Record<string, number>
  fault?: Fault
}

export interface Fault {
  number: number
  what: string
  input: Buffer
  /** What the random numbers are made with that its door draws. */
  seed: number
}

/** One input may take no longer, ms of this process's own time: others on the machine count for nothing. */
const MOST_MS = 100
const RETRIES = 3
const MOST_GROWN_MIB = 64
const WARM = 1000
/** Inputs between two looks at the heap and the clock, and turns of the event loop. */
const LOOK = 500
const MOST_CHANGES = 6
const MIB = 1_048_576

/** @param until - ms from now */
export async function fuzz(
  door: Door,
  { seed, inputs, until }: { seed: number; inputs: number; until: number },
): Promise<Report> {
  const random = new Random(seed)
  const start = performance.now()
  const report: Report = { count: 0, seconds: 0, slowest: 0, grown: 0, fates: {} }
  let heap = 0
  for (let number = 0; number < inputs; number++) {
    if (number % LOOK === 0) {
      await new Promise(setImmediate)
      if (number === WARM) heap = heapUsed()
      if (performance.now() - start > until) break
    }
    const input = mutate(random, door)
    const again = random.copy()
    const fault = (what: string): Fault => ({ number, what, input, seed: again.state })
    let time = 0
    try {
      const [fate, first] = await timed(() => door.take(input, random))
      time = first
      // Slow is what is slow every time: the rest is the collector, or the machine.
      for (let i = 0; i < RETRIES && time > MOST_MS; i++)
        time = Math.min(time, (await timed(() => door.take(input, again.copy())))[1])
      report.fates[fate] = (report.fates[fate] ?? 0) + 1
    } catch (error) {
      report.fault = fault((error as Error).stack ?? String(error))
    }
    report.count++
    report.slowest = Math.max(report.slowest, time)
    if (time > MOST_MS) report.fault ??= fault(`it took ${time} ms`)
    if (report.fault) break
  }
  report.seconds = (performance.now() - start) / 1000
  report.grown = heap === 0 ? 0 : (heapUsed() - heap) / MIB
  if (report.grown > MOST_GROWN_MIB)
    report.fault ??= { number: report.count, what: 'the heap grew', input: Buffer.alloc(0), seed }
  return report
}

/** @returns what it gives, and the time of this process that it took, ms */
async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return [result, (user + system) / 1000]
}

/** What is held; garbage is no growth. */
function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** A few changes to one of the seeds, most often one; to one in eight, none. */
function mutate(random: Random, door: Door): Buffer {
  const { seeds, words } = door
  let bytes = Buffer.from(random.of(seeds))
  const most = random.below(8) === 0 ? 0 : 1 + random.below(1 + random.below(MOST_CHANGES))
  for (let changes = most; changes > 0; changes--)
    bytes =
      (door.vary && random.below(2) === 0 && varied(random, bytes, door)) ||
      change(random, bytes, seeds, words)
  return bytes
}

function varied(random: Random, bytes: Buffer, { vary }: Door): Buffer<ArrayBuffer> | null {
  const other = vary?.(bytes, random)
  return other ? Buffer.from(other) : null
}

function change(
  random: Random,
  bytes: Buffer<ArrayBuffer>,
  seeds: readonly Buffer[],
  words: readonly Buffer[],
): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1)
  const length = random.below(random.below(4) === 0 ? bytes.length + 1 : 8)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8)
      return bytes
    case 1:
      if (at < bytes.length) bytes[at] = random.below(256)
      return bytes
    case 2:
      return Buffer.concat([head, tail.subarray(length)])
    case 3:
      return Buffer.concat([head, tail.subarray(0, length), tail])
    case 4:
      return Buffer.concat([head, random.of(words), tail])
    case 5: {
      const other = random.of(seeds)
      const from = random.below(other.length)
      return Buffer.concat([head, other.subarray(from, from + length), tail])
    }
    case 6:
      return Buffer.concat([head, Buffer.alloc(random.below(300), random.below(256)), tail])
    case 7:
      return head
    default: {
      const word = random.of(words)
      return Buffer.concat([head, word, tail.subarray(word.length)])
    }
  }
}
