/** What a run over the rows of a shop says when it ends before its end: what was done is kept in whole batches. */
import { constants } from 'node:os'
import type { Progress, Terminal } from '../terminal.ts'

/** Signals that end a run; the launcher passes them on. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Does the work, and says where it ends early, by an error or by a signal, that the next run goes on. A signal ends the process at
 * once with status 128 and its number, as a shell counts: the database takes back the batch under way, as it does after a kill.
 *
 * @param done - past participle of the work, such as `sealed`
 * @param bar - is ended whatever happens
 */
export async function sayingWhatIsKept<T>(
  done: string,
  terminal: Terminal,
  bar: Progress,
  work: () => Promise<T>,
): Promise<T> {
  const sayKept = (by: string) => {
    bar.end()
    terminal.say(`stopped${by}; what was ${done} until now is kept, and the next run goes on`)
  }
  const end = (signal: (typeof SIGNALS)[number]) => {
    sayKept(` by ${signal}`)
    process.exit(128 + constants.signals[signal])
  }
  for (const signal of SIGNALS) process.on(signal, end)
  try {
    return await work()
  } catch (error) {
    sayKept('')
    throw error
  } finally {
    for (const signal of SIGNALS) process.off(signal, end)
    bar.end()
  }
}
