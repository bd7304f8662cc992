/** Reads the guest's report: TAP 14 as `tap` prints it, with the status of the program that printed it. */

/** What came of it. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** What is wrong with the report itself. */
  readonly complaints: readonly string[]
}

/** A report as it comes in; it counts as failed until it is whole. */
export class Report {
  readonly #complaints: string[] = []
  #counts: Record<string, number> | null = null
  #status: number | null = null

  line(line: string): void {
    // tap's last comment holds the totals: # { total: 18, pass: 17, skip: 1 }
    const counts = /^# \{(.*)\}\s*$/.exec(line)?.[1]
    if (counts !== undefined)
      this.#counts = Object.fromEntries(
        [...counts.matchAll(/(\w+): (\d+)/g)].map(([, name, count]) => [name, Number(count)]),
      )
    const status = /^# status (\d+)\s*$/.exec(line)?.[1]
    if (status !== undefined) this.#status = Number(status)
  }

  /** The guest itself failed. */
  fail(why: string): void {
    this.#complaints.push(why)
  }

  totals(): Totals {
    const { pass = 0, fail = 0, skip = 0 } = this.#counts ?? {}
    const complaints = [...this.#complaints]
    if (this.#counts === null) complaints.push('the report has no totals')
    else if (pass === 0) complaints.push('nothing was asked')
    if (this.#status === null) complaints.push('the guest did not come to its end')
    else if (this.#status !== 0 && fail === 0) complaints.push(`the questions ended with ${this.#status}`)
    return { passed: pass, failed: fail + complaints.length, skipped: skip, complaints }
  }
}
