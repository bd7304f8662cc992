/**
 * A table is sealed, then rewrapped through a device, while the worker, the database server and the device's gate are killed with
 * SIGKILL at random moments. Whoever would operate it does no more than start the worker again.
 */
import type { ChildProcess } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Shop } from '../database/servers.ts'
import type { Device } from './device.ts'
import { seeded } from './seeded.ts'
import { fillTable, halfRows, type Look, lookAtAll, progressOf } from './table.ts'

/** Who is killed. */
export type Victim = 'worker' | 'gate' | 'server'

export interface Plan {
  readonly rows: number
  /** In all, evenly over the victims that there are. */
  readonly kills: number
  /** What the moments come from. */
  readonly seed: number
  /** Told as it goes on. */
  readonly say?: (line: string) => void
}

/** What came of it. */
export interface Outcome {
  /** Kills that met a worker in the midst of its rows. */
  readonly hit: Record<Victim, number>
  readonly missed: number
  /** Rows that were half done after a kill, and kills after which something that had been done was not. */
  readonly halves: number
  readonly lost: number
  /** Workers that ended as they should not have, with what they said. */
  readonly odd: string[]
  readonly sealed: Look
  readonly rewrapped: Look
  /** Of sealing and rewrapping, with the kills. */
  readonly seconds: { seal: number; rewrap: number }
}

/** Between looks at how far the worker is, at least; and by how many times a look has to be shorter than what is between two. */
const LOOK_MS = 15
const LOOK_SHARE = 10
/** Longest random time after the wanted row was reached; else it is as long as the worker takes for a batch and a half. */
const MOST_DELAY_MS = 1000
/** Kills are between these parts of the way: behind the last one there is room for a machine that has much else to do. */
const [EARLIEST, LATEST] = [0.02, 0.6]

const KEPT = {
  seal: /stopped; what was sealed until now is kept, and the next run goes on/,
  rewrap: /stopped; what was rewrapped until now is kept, and the next run goes on/,
}
const SERVER_LOST = /the connection to the database server was lost/

export async function kills(shop: Shop, device: Device, { rows, kills, seed, say }: Plan): Promise<Outcome> {
  const random = seeded(seed)
  const name = `shop-${shop.kind}-${rows}`
  const plan = planOf(shop, kills, random)
  const first = await device.createKey(name)
  await fillTable(shop, rows)
  const run = new Run(shop, device, rows, random, say ?? (() => {}))
  const sealTime = await run.through('seal', first, `clv1.x.${name}.1.`, plan.seal)
  const sealed = await lookAtAll(shop, `clv1.x.${name}.1.`, device.opener)
  const newest = await device.rotateKey(name)
  const rewrapTime = await run.through('rewrap', newest, `clv1.x.${name}.2.`, plan.rewrap)
  const rewrapped = await lookAtAll(shop, `clv1.x.${name}.2.`, device.opener)
  const { hit, missed, halves, lost, odd } = run
  return {
    hit,
    missed,
    halves,
    lost,
    odd,
    sealed,
    rewrapped,
    seconds: { seal: sealTime, rewrap: rewrapTime },
  }
}

/** Part of the kills that have to hit: what is left to be done may be over before a kill comes. */
const MOST = 0.8

const hitsOf = ({ hit }: Outcome) => hit.worker + hit.gate + hit.server

/** Whether so many kills came too late that a larger table has to be asked. */
export const wasOverTooSoon = (outcome: Outcome, kills: number) => hitsOf(outcome) < kills * MOST

/** @returns what is not as it has to be, for people; empty where all is right */
export function faultsOf(outcome: Outcome, { rows, kills }: Pick<Plan, 'rows' | 'kills'>): string[] {
  const { halves, lost, odd, sealed, rewrapped } = outcome
  const few = `only ${hitsOf(outcome)} of ${kills} kills met a running worker`
  return [
    ...odd,
    ...(wasOverTooSoon(outcome, kills) ? [few] : []),
    ...(halves > 0 ? [`${halves} rows were half done`] : []),
    ...(lost > 0 ? [`${lost} times something was lost that had been done`] : []),
    ...[sealed, rewrapped].flatMap(({ rows: found, wrong }) => [
      ...(found === rows ? [] : [`${found} rows of ${rows}`]),
      ...(wrong.count > 0 ? [`${wrong.count} cells are wrong: ${wrong.first.join('; ')}`] : []),
    ]),
  ]
}

/** Sealing needs no device, so the gate is killed only while it rewraps; of the others half die in each. */
function planOf(shop: Shop, kills: number, random: () => number): { seal: Victim[]; rewrap: Victim[] } {
  const victims: Victim[] = shop.crash ? ['worker', 'gate', 'server'] : ['worker', 'gate']
  const [seal, rewrap]: [Victim[], Victim[]] = [[], []]
  const all = Array.from({ length: kills }, (_, i) => victims[i % victims.length]!)
  for (const victim of victims) {
    const count = all.filter(each => each === victim).length
    const early = victim === 'gate' ? 0 : count >> 1
    for (let i = 0; i < count; i++) (i < early ? seal : rewrap).push(victim)
  }
  return { seal: shuffled(seal, random), rewrap: shuffled(rewrap, random) }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map(item => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** The worker that runs now. */
class Worker {
  readonly #child: ChildProcess
  readonly ended: Promise<{ status: number | null; signal: NodeJS.Signals | null; said: string }>

  constructor(child: ChildProcess) {
    this.#child = child
    for (const stream of [child.stdin!, child.stdio[3] as typeof child.stdin & object]) {
      stream.on('error', () => {})
      stream.end()
    }
    const said = Promise.all([text(child.stdout!), text(child.stderr!)])
    this.ended = new Promise(resolve =>
      child.once('close', async (status, signal) =>
        resolve({ status, signal, said: (await said).join('\n') }),
      ),
    )
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

class Run {
  readonly hit: Record<Victim, number> = { worker: 0, gate: 0, server: 0 }
  missed = 0
  halves = 0
  lost = 0
  readonly odd: string[] = []
  readonly #shop: Shop
  readonly #device: Device
  readonly #progress: (token: string) => Promise<number>
  readonly #random: () => number
  readonly #say: (line: string) => void
  /** Time between the last two steps of the worker that were seen, ms. */
  #step = 0

  constructor(shop: Shop, device: Device, rows: number, random: () => number, say: (line: string) => void) {
    this.#shop = shop
    this.#device = device
    this.#progress = progressOf(shop, rows)
    this.#random = random
    this.#say = say
  }

  /** @param token - how tokens begin that are done. @returns seconds */
  async through(
    work: 'seal' | 'rewrap',
    publicKey: string,
    token: string,
    victims: readonly Victim[],
  ): Promise<number> {
    const started = performance.now()
    const start = () => new Worker(this.#device.start(work, this.#shop, publicKey))
    const seconds = () => (performance.now() - started) / 1000
    let worker = start()
    // Each worker, and one after each death of the gate, has to have done some before the next kill.
    let reached = 0
    for (const [i, victim] of victims.entries()) {
      const at = EARLIEST + ((i + this.#random()) / victims.length) * (LATEST - EARLIEST)
      await this.#reaches(Math.max(at, reached), token, worker)
      await sleep(this.#random() * Math.min(this.#step * 1.5, MOST_DELAY_MS))
      const done = await this.#progress(token)
      const isHit = worker.isRunning && done < 1
      if (isHit) this.hit[victim]++
      else this.missed++
      if (victim === 'worker') worker.kill()
      else if (victim === 'server') await this.#shop.crash!()
      else await this.#killGate()
      reached = await this.#progress(token)
      this.#say(
        `${seconds().toFixed(1)} s: ${victim} killed at ${(done * 100).toFixed(1)} % of ${work}${isHit ? '' : ', missed'}`,
      )
      if (victim === 'gate' && worker.isRunning) continue
      const { status, signal, said } = await worker.ended
      if (isHit && !isAsExpected(victim, work, status, signal, said))
        this.odd.push(`${victim}, ${work}: ${status ?? signal} ${said}`)
      this.halves += await halfRows(this.#shop, token)
      if (reached < done) this.lost++
      worker = start()
    }
    const { status, signal, said } = await worker.ended
    if (status !== 0) this.odd.push(`the last, ${work}: ${status ?? signal} ${said}`)
    return seconds()
  }

  /** Waits until the worker has come further than that, or has ended. */
  async #reaches(at: number, token: string, worker: Worker): Promise<void> {
    let seen = await this.#progress(token)
    let since: number | null = null
    while (worker.isRunning) {
      const started = performance.now()
      const now = await this.#progress(token)
      const time = performance.now()
      if (now !== seen) {
        if (since !== null) this.#step = time - since
        ;[seen, since] = [now, time]
      }
      if (now > at) return
      await sleep(Math.max(LOOK_MS, LOOK_SHARE * (time - started)))
    }
  }

  async #killGate(): Promise<void> {
    const { processes } = this.#device
    const again = processes.line(/gate answers on/)
    process.kill(processes.pidOf('gate'), 'SIGKILL')
    await again
  }
}

/** A worker that was killed says nothing; one whose database died says what is kept; one whose gate died goes on. */
function isAsExpected(
  victim: Victim,
  work: 'seal' | 'rewrap',
  status: number | null,
  signal: NodeJS.Signals | null,
  said: string,
): boolean {
  if (victim === 'worker') return signal === 'SIGKILL'
  return victim === 'server' && status === 1 && KEPT[work].test(said) && SERVER_LOST.test(said)
}
