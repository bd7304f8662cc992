/** The cable is pulled and plugged in again and again, at any moment, under work. */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { hostTerminal, plug, unplug } from './cable.ts'
import { times } from './figures.ts'
import { site, untilAnswered } from './site.ts'
import { Work } from './work.ts'

const CYCLES = Number(process.env.cycles || 300)
/** Longest time between two pulls, and without a cable, ms. */
const LONGEST_IN = 400
const LONGEST_OUT = 150

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 14 * 60_000 }

await t.test(
  `When the cable is pulled ${CYCLES} times under work, then nothing is lost or wrong`,
  LIMIT,
  async t => {
    const here = await site()
    const quick = await here.appliance.connect(here.appliance.admin, { retryFor: 0 })
    const work = new Work(here, 'replug')
    const seen: number[] = []
    const answered: number[] = []
    const afterSeen: number[] = []
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await sleep(randomInt(LONGEST_IN))
      unplug()
      await sleep(randomInt(LONGEST_OUT))
      await hostTerminal(false)
      const started = performance.now()
      plug()
      await hostTerminal()
      const there = performance.now() - started
      await untilAnswered(() => quick.status())
      const all = performance.now() - started
      seen.push(there)
      answered.push(all)
      afterSeen.push(all - there)
    }
    await work.stop(t)
    times(t, 'replug-terminal', seen)
    times(t, 'replug-reconnect', afterSeen)
    times(t, 'replug-answer', answered)
  },
)
