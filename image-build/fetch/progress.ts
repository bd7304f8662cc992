/** Says how far a step is: one line that is rewritten on a terminal, one line for each step elsewhere. */

/** Where the lines go. */
export interface Screen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** Progress of one command. */
export class Progress {
  readonly #screen: Screen
  #open = false

  constructor(screen: Screen) {
    this.#screen = screen
  }

  /** A step that begins, or a fact about the one that ended. */
  say(text: string): void {
    this.#screen.write(`${this.#open ? '\r\u001b[K' : ''}${text}\n`)
    this.#open = false
  }

  /** How much of a step is done; both in the same unit. Nothing where there is no terminal. */
  show(what: string, done: number, total: number): void {
    if (!this.#screen.isTTY) return
    const share = total === 0 ? 1 : Math.min(done / total, 1)
    const bar = '#'.repeat(Math.round(share * 24)).padEnd(24, '.')
    const line = `[${bar}] ${String(Math.floor(share * 100)).padStart(3)} % ${what}`
    this.#screen.write(`\r\u001b[K${line.slice(0, (this.#screen.columns ?? 80) - 1)}`)
    this.#open = true
  }
}
