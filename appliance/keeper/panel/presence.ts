/**
 * Requests that wait for somebody beside the device (docs/light-and-button.md). Those of all namespaces stand in one queue,
 * because there is one button: a press is for the oldest of them, and for no other.
 */
import { EventEmitter } from 'node:events'

/** How long a request waits for a press, ms. */
export const TOUCH_MS = 30_000
/** Requests that wait at the same time; a further one is as good as not confirmed. */
export const MAX_WAITING = 8

/** Whose request waits. */
export interface Asker {
  readonly namespace: string
  /** Name of the agent. */
  readonly agent: string
}

type Timers = Pick<typeof globalThis, 'setTimeout' | 'clearTimeout'>

interface Waiting extends Asker {
  readonly end: (pressed: boolean) => void
}

export class Presence extends EventEmitter<{ change: [namespace: string, count: number] }> {
  readonly hasButton: boolean
  readonly #timers: Timers
  /** The oldest first. */
  #waiting: Waiting[] = []

  /** @param timers - a test's own, so that half a minute takes no time */
  constructor(hasButton = false, timers: Timers = globalThis) {
    super()
    this.hasButton = hasButton
    this.#timers = timers
  }

  /** Requests that wait, of one namespace or of all. */
  count(namespace?: string): number {
    if (namespace === undefined) return this.#waiting.length
    return this.#waiting.filter(waiting => waiting.namespace === namespace).length
  }

  /** @returns whether the button was pressed for this request; false at once where there is none, or no room to wait */
  ask({ namespace, agent }: Asker): Promise<boolean> {
    if (!this.hasButton || this.#waiting.length >= MAX_WAITING) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = this.#timers.setTimeout(() => this.#end([waiting], false), TOUCH_MS)
    const end = (pressed: boolean) => {
      this.#timers.clearTimeout(timer)
      resolve(pressed)
    }
    const waiting: Waiting = { namespace, agent, end }
    this.#waiting.push(waiting)
    this.emit('change', namespace, this.count(namespace))
    return promise
  }

  /** Somebody pressed the button. @returns whether a request waited for it */
  press(): boolean {
    const [oldest] = this.#waiting
    if (oldest) this.#end([oldest], true)
    return oldest !== undefined
  }

  /** Nobody is to be asked any more for a namespace, or for one of its agents. */
  withdraw(namespace: string, agent?: string): void {
    const isMeant = (asker: Asker) =>
      asker.namespace === namespace && (agent === undefined || asker.agent === agent)
    this.#end(this.#waiting.filter(isMeant), false)
  }

  #end(ended: readonly Waiting[], pressed: boolean): void {
    this.#waiting = this.#waiting.filter(waiting => !ended.includes(waiting))
    for (const { end } of ended) end(pressed)
    for (const namespace of new Set(ended.map(({ namespace }) => namespace)))
      this.emit('change', namespace, this.count(namespace))
  }
}
