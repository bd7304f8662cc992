/**
 * Values that were revealed: the only place that holds them. They are taken away when their time is over, when the page is hidden, when the
 * device is not ready any more, and when the agent does not answer.
 */
import type { Overview } from '../api.ts'
import { asLine } from './pure/line.ts'

export interface Shown {
  field: string
  record: string
  outcome: { value: string } | { code: string; free?: string }
  /** Whether it is on the screen, not only dots. */
  isOpen: boolean
}

export type Reason = 'time' | 'hidden' | 'state' | 'gone' | 'asked'

const LOOK_MS = 1000

export class Values {
  list: Shown[] = []
  /** Why there are none any more. */
  cleared: Reason | null = null
  readonly #changed: () => void
  readonly #overview: () => Promise<Overview>
  #end = 0
  #timer: ReturnType<typeof setInterval> | undefined

  /**
   * @param overview - asks anew
   * @param changed - called at each change, and each second while there are values
   */
  constructor(overview: () => Promise<Overview>, changed: () => void) {
    this.#overview = overview
    this.#changed = changed
    document.addEventListener('visibilitychange', () => document.hidden && this.clear('hidden'))
    addEventListener('pagehide', () => this.clear('hidden'))
    document.addEventListener('freeze', () => this.clear('hidden'))
  }

  get hasValues(): boolean {
    return this.list.some(({ outcome }) => 'value' in outcome)
  }

  /** Until they are taken away. */
  get seconds(): number {
    return Math.max(0, Math.ceil((this.#end - performance.now()) / 1000))
  }

  /** @param as - the enrolment whose device has to stay ready @param ms - how long */
  hold(list: Shown[], as: string, ms: number): void {
    this.clear('asked')
    for (const { outcome } of list) if ('value' in outcome) outcome.value = asLine(outcome.value)
    this.list = list
    this.cleared = null
    this.#end = performance.now() + ms
    if (!this.hasValues) return
    if (document.hidden) this.clear('hidden')
    else this.#timer = setInterval(() => void this.#look(as), LOOK_MS)
  }

  /** Takes everything away, refusals too. */
  clear(reason: Reason): void {
    clearInterval(this.#timer)
    if (this.list.length === 0) return
    for (const shown of this.list) shown.outcome = { code: '' }
    this.list = []
    this.cleared = reason
    this.#changed()
  }

  async #look(as: string): Promise<void> {
    if (performance.now() >= this.#end) return this.clear('time')
    this.#changed()
    const mine = this.list
    const overview = await this.#overview().catch(() => null)
    if (mine !== this.list) return
    if (!overview) this.clear('gone')
    else if (overview.enrolments.find(({ name }) => name === as)?.state !== 'operational') this.clear('state')
  }
}
