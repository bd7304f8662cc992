/** Requests that are always in flight, each with a value and a record of its own, and what was acknowledged of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ClavigerError } from '../../../protocol/api/errors.ts'
import { type Entry, readEntry } from '../../../protocol/audit/entry.ts'
import type { Site } from './site.ts'

const LANES = 4
const FIELD = 'card.number'
const PAGE = 500
/** How a request may fail while the cable is out or a process is away; it was not acknowledged then. */
const EXCUSED = ['unreachable', 'link-failed']
/** Before the next request after one that failed, ms: asking all the time would take the processor from what has to start again. */
const PAUSE_MS = 150

/** Work that goes on until it is stopped. */
export class Work {
  readonly #site: Site
  readonly #prefix: string
  readonly #wrong: string[] = []
  /** Index in the audit log to the record that was answered. */
  readonly #acknowledged = new Map<number, string>()
  readonly #lanes: Promise<void>[]
  #excused = 0
  #stopped = false

  /** @param prefix - unique among the works of a site */
  constructor(site: Site, prefix: string) {
    this.#site = site
    this.#prefix = prefix
    this.#lanes = Array.from({ length: LANES }, (_, lane) => this.#lane(lane))
  }

  /** Answers so far. */
  get answers(): number {
    return this.#acknowledged.size
  }

  async #lane(lane: number): Promise<void> {
    const { till, seal } = this.#site
    for (let round = 0; !this.#stopped; round++) {
      const record = `${this.#prefix}/${lane}/${round}`
      const context = { field: FIELD, record }
      const value = `value of ${record}`
      try {
        const { results, audit } = await till.decrypt({
          purpose: 'ship',
          items: [{ ciphertext: seal(context, value), context }],
        })
        if (JSON.stringify(results) !== JSON.stringify([{ value }]))
          this.#wrong.push(`${record}: ${JSON.stringify(results)}`)
        if (this.#acknowledged.has(audit.index)) this.#wrong.push(`${record}: entry ${audit.index} twice`)
        this.#acknowledged.set(audit.index, record)
      } catch (error) {
        const { code, message } = error as ClavigerError
        if (!EXCUSED.includes(code)) this.#wrong.push(`${record}: ${code}: ${message}`)
        this.#excused++
        await sleep(PAUSE_MS)
      }
    }
  }

  /** Stops, and holds every answer against the log. */
  async stop(t: Test): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#lanes)
    t.same(this.#wrong, [], 'no answer was wrong')
    t.ok(this.#acknowledged.size > 0, 'there were answers')
    t.comment(`${this.#acknowledged.size} answers, ${this.#excused} requests given up`)
    const lost: string[] = []
    const entries = await this.#entries()
    for (const [index, record] of this.#acknowledged) {
      const { action, outcome, items } = entries.get(index) ?? {}
      if (
        action !== 'decrypt' ||
        outcome !== 'allowed' ||
        !items?.some(item => item.records.includes(record))
      )
        lost.push(`${index}: ${record}`)
    }
    t.same(lost, [], 'every answer is in the log')
  }

  async #entries(): Promise<Map<number, Entry>> {
    const found = new Map<number, Entry>()
    for (let from = 0; ; ) {
      const { entries, size } = await this.#site.admin.auditEntries({ from, limit: PAGE })
      for (const line of entries) {
        const entry = readEntry(line)
        if (entry) found.set(entry.index, entry)
      }
      from += entries.length
      if (entries.length === 0 || from >= size) return found
    }
  }
}
