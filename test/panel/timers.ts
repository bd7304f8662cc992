/** Timers whose time passes when a test says so. */

interface Timer {
  at: number
  run(): void
}

export class FakeTimers {
  #now = 0
  readonly #timers = new Set<Timer>()

  /** As `Presence` and `Led` take them. */
  get functions(): Pick<typeof globalThis, 'setTimeout' | 'clearTimeout'> {
    return {
      setTimeout: ((run: () => void, ms = 0) => {
        const timer = { at: this.#now + ms, run }
        this.#timers.add(timer)
        return timer
      }) as unknown as typeof setTimeout,
      clearTimeout: ((timer: Timer) => {
        this.#timers.delete(timer)
      }) as unknown as typeof clearTimeout,
    }
  }

  /** Timers that were set and neither ran nor were cleared. */
  get size(): number {
    return this.#timers.size
  }

  /** Lets time pass, ms; what is due runs in its order, at its time. */
  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#now = Math.max(this.#now, due.at)
      this.#timers.delete(due)
      due.run()
    }
    this.#now = end
  }
}
