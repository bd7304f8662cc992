/** The gate is killed as by the kernel, at any moment, under work; what supervises it starts it again. */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { times } from './figures.ts'
import { site, untilAnswered } from './site.ts'
import { Work } from './work.ts'

const KILLS = Number(process.env.kills || 50)
const LONGEST = 500

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 16 * 60_000 }

await t.test(
  `When the gate is killed ${KILLS} times under work, then nothing is lost or wrong`,
  LIMIT,
  async t => {
    const here = await site()
    const { processes, appliance } = here
    const quick = await appliance.connect(appliance.admin, { retryFor: 0 })
    const work = new Work(here, 'gate')
    const answered: number[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(randomInt(LONGEST))
      const again = processes.line(/started gate=/)
      process.kill(processes.pidOf('gate'), 'SIGKILL')
      await again
      const ready = processes.line(/gate answers on serial/)
      // its pause grows while it keeps dying; what counts is the time from its start
      const started = performance.now()
      // asking all the time would only keep the new one from starting
      await ready
      await untilAnswered(() => quick.status())
      answered.push(performance.now() - started)
    }
    await work.stop(t)
    times(t, 'gate-killed-answer', answered)
  },
)
