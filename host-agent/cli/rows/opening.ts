/** Opens the cells of rows with the source that a command was given. */
import { whenLocal } from '../../client/errors.ts'
import { opener, type Wish } from '../../shop/opening/cells.ts'
import type { Surroundings } from '../command.ts'
import { chooseSource, type SourceOptions, withSource } from '../sources.ts'
import type { RowRun } from './run.ts'

/** A table outlives a restart of the device's gate, or a cable that is pulled and plugged in again. */
export const ROWS_PATIENCE_MS = 15_000

/**
 * Runs what converts rows, and says afterwards when a budget has room again.
 *
 * @param run - gets the way to open cells; the source is chosen and opened when it is asked for
 * @returns what `run` returns
 */
export async function runOpening(
  options: SourceOptions & { json?: boolean | undefined },
  surroundings: Surroundings,
  wish: Wish,
  run: (withWork: RowRun['withWork']) => Promise<number>,
): Promise<number> {
  let free: number | undefined
  const status = await run(async use => {
    const chosen = await chooseSource(options, surroundings)
    const using = { patience: { retryFor: ROWS_PATIENCE_MS }, isQuiet: options.json === true }
    await withSource(
      chosen,
      options,
      surroundings,
      source => {
        const work = opener(source, wish)
        return use(async tasks => {
          const opened = await work(tasks)
          for (const outcome of opened) if ('code' in outcome) free = earliest(free, outcome.free)
          return opened
        })
      },
      using,
    )
  })
  if (free !== undefined && !options.json)
    surroundings.terminal.hint(`there is room again ${whenLocal(free, Date.now())}`)
  return status
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a
}
