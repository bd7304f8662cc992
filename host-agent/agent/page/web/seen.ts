/**
 * Whether a frame was really to be seen when somebody clicked: nothing over it, not faded, not moved away under the pointer. A shop's page
 * that was taken over could otherwise lead a click to it. IntersectionObserver v2 tells, where the browser has it (Chromium). It does not tell
 * of a frame that stays visible and is moved, so the pointer must have been over it for a moment too: longer than between two clicks.
 */

const LONG_ENOUGH_MS = 500
const AIMED_MS = 300
/** As often as browsers look at the most. */
const DELAY_MS = 100

export class Seen {
  /** Whether the browser can tell. */
  readonly canTell: boolean
  #since: number | null = null
  /** Since when a mouse is over the document. */
  #over: number | null = null

  constructor(element: Element) {
    const options: IntersectionObserverInit & { trackVisibility: boolean; delay: number } = {
      threshold: [0.99],
      trackVisibility: true,
      delay: DELAY_MS,
    }
    const { documentElement } = document
    documentElement.addEventListener('pointerenter', () => {
      this.#over = performance.now()
    })
    documentElement.addEventListener('pointerleave', () => {
      this.#over = null
    })
    this.canTell = 'isVisible' in IntersectionObserverEntry.prototype
    if (!this.canTell) return
    new IntersectionObserver(entries => {
      const isVisible = (entries.at(-1) as IntersectionObserverEntry & { isVisible: boolean }).isVisible
      if (!isVisible) this.#since = null
      else this.#since ??= performance.now()
    }, options).observe(element)
  }

  /** Whether it was visible for the last half second. */
  get wasSeen(): boolean {
    return this.#since !== null && performance.now() - this.#since >= LONG_ENOUGH_MS
  }

  /** Whether whoever clicked with a mouse had it over the frame before. Fingers and keys do not hover. */
  wasAimed(click: Event): boolean {
    if ((click as PointerEvent).pointerType !== 'mouse') return true
    return this.#over !== null && performance.now() - this.#over >= AIMED_MS
  }
}
