/** Says what to do while a request waits for somebody beside the device (docs/light-and-button.md). */
import type { Appliance } from './appliance.ts'

/** What is answered sooner than this, ms, waits for nobody: a second connection would only cost time. */
const ASK_AFTER = 400

/**
 * Does the work, and says to press the button when the device tells that a request of this namespace waits for that.
 *
 * @param say - is given a sentence for a person
 * @param work - what may wait, such as {@link Appliance.decrypt}
 * @returns what the work gives
 * @throws what the work throws
 */
export async function withTouch<T>(
  appliance: Pick<Appliance, 'watchAll'>,
  say: (text: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  let isSaid = false
  const onTouch = (count: number) => {
    if (count > 0 && !isSaid) say('press the button on the key')
    isSaid = count > 0
  }
  const watch = () => {
    // Without it the answer comes all the same.
    appliance.watchAll({ onState: () => {}, onTouch }, ending.signal).catch(() => {})
  }
  const timer = setTimeout(watch, ASK_AFTER)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    ending.abort()
  }
}
