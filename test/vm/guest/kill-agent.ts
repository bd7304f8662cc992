/** The agent is killed as by the kernel, at any moment, under work. */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { times } from './figures.ts'
import { site, untilAnswered } from './site.ts'
import { Work } from './work.ts'

const KILLS = Number(process.env.kills || 50)
const LONGEST = 500

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 12 * 60_000 }

await t.test(
  `When the agent is killed ${KILLS} times under work, then nothing is lost or wrong`,
  LIMIT,
  async t => {
    const here = await site()
    const quick = await here.appliance.connect(here.appliance.admin, { retryFor: 0 })
    const work = new Work(here, 'agent')
    const answered: number[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(randomInt(LONGEST))
      const how = await here.agent.stop('SIGKILL')
      if (how !== 'SIGKILL') t.fail(`the agent had ended before: ${how}`)
      const started = performance.now()
      await here.restartAgent()
      await untilAnswered(() => quick.status())
      answered.push(performance.now() - started)
    }
    await work.stop(t)
    times(t, 'agent-killed-answer', answered)
  },
)
