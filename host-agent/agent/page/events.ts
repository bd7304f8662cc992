/** The stream of overviews that an open page reads: one now, and one whenever something of it is another. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Overview } from './api.ts'
import type { Parts } from './page.ts'

/** How often it is looked at what does not tell of its changes: ports, files, budgets; ms. */
const LOOK_MS = 1000
const SILENCE_MS = 15_000

/** @param write - a line, or `null` for an empty one, by which either side notices that the other is gone */
export async function tellEvents(
  { overview, changes }: Pick<Parts, 'overview' | 'changes'>,
  write: (line: Overview | null) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = ''
  let spoke = performance.now()
  while (!signal.aborted) {
    const changed = new AbortController()
    const wake = () => changed.abort()
    changes.add(wake)
    try {
      const now = await overview()
      const text = JSON.stringify(now)
      const isSilent = performance.now() - spoke >= SILENCE_MS
      if (signal.aborted) return
      if (text !== last || isSilent) {
        write(text === last ? null : now)
        spoke = performance.now()
        last = text
      }
      await sleep(LOOK_MS, undefined, { signal: AbortSignal.any([signal, changed.signal]) }).catch(() => {})
    } finally {
      changes.delete(wake)
    }
  }
}
