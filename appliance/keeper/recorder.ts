/**
 * Writes to the audit log what was decided, and keeps the chronicle in step. What resolves is on disk.
 *
 * Refused tries are written until their source has to wait; what it tries while it waits is refused unread and unwritten,
 * so that nobody can fill the log by knocking.
 */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Entry, EntryBody } from '../../protocol/audit/entry.ts'
import type { BackoffLimits } from '../backoff.ts'
import type { AuditLog } from './audit/log.ts'
import { Chronicle } from './chronicle.ts'
import { type Clock, read } from './clock.ts'
import type { Grant } from './policy/grant.ts'
import type { Caller } from './rpc/messages.ts'
import { hex } from './unlocked.ts'

/** Characters of a caller's pin that name it in the log. */
const PIN_LENGTH = 16

export const pinOf = (caller: Caller): string => hex(caller.pin).slice(0, PIN_LENGTH)

/** Who asked, as every entry tells it. */
const by = ({ name, role }: Caller) => ({ agent: name, role })

export class Recorder {
  readonly log: AuditLog
  readonly #clock: Clock
  /** Entries that are written while the log is read again. */
  #later: Entry[] | null = null
  chronicle: Chronicle

  constructor(log: AuditLog, clock: Clock, chronicle: Chronicle) {
    this.log = log
    this.#clock = clock
    this.chronicle = chronicle
  }

  /** ms of wall clock and of budget time. */
  get now(): { wall: number; budget: number } {
    const reading = read(this.#clock)
    return { wall: reading.wall, budget: this.chronicle.now(reading) }
  }

  /** ms since the boot. */
  get up(): number {
    return this.#clock.up()
  }

  /**
   * Writes an entry.
   *
   * @param administrative - may use the room that is kept for getting out of a full log
   * @returns its index, once it is durable
   * @throws ClavigerError `audit-unavailable`
   */
  async write(body: EntryBody, administrative = true): Promise<number> {
    const { boot, up, wall } = read(this.#clock)
    const index = await this.log.append(body, { administrative })
    const entry = { ...body, index, boot, up, time: wall }
    this.chronicle.visit(entry)
    this.#later?.push(entry)
    return index
  }

  /**
   * Reads the log again, if there are budgets in these grants that were not counted. Nothing may be decided meanwhile;
   * whatever else happens is taken in.
   *
   * @throws AuditError `audit-unavailable`; the budgets are not counted then
   */
  async recount(grants: readonly Grant[], limits: BackoffLimits): Promise<void> {
    const before = this.chronicle
    if (!before.usage.watch(grants)) return
    const counted = new Chronicle(grants, limits)
    const { size } = this.log
    const later: Entry[] = []
    this.#later = later
    try {
      await this.log.replay(entry => counted.replay(entry))
    } catch (error) {
      // So that the next one counts, and does not take empty counts for right ones.
      before.usage.watch([])
      throw error
    } finally {
      this.#later = null
    }
    for (const entry of later) if (entry.index >= size) counted.visit(entry)
    counted.takeOver(before)
    this.chronicle = counted
  }

  /** Writes that a caller may do something, before it is done. @param administrative - as of {@link write} */
  allowed(
    caller: Caller,
    action: string,
    detail: EntryBody['detail'] = {},
    administrative = true,
  ): Promise<number> {
    return this.write({ ...by(caller), action, outcome: 'allowed', detail }, administrative)
  }

  /** Writes that something which was allowed did not work out. */
  async failed(caller: Caller, action: string, error: unknown): Promise<void> {
    const code = error instanceof ClavigerError ? error.code : 'internal'
    await this.write({ ...by(caller), action, outcome: 'failed', code })
  }

  /**
   * Writes a refusal, and counts it.
   *
   * @throws ClavigerError `too-many-tries` when the caller has to wait
   */
  async refused(caller: Caller, action: string, code: string): Promise<void> {
    this.mayTry(caller)
    const detail = { pin: pinOf(caller) }
    await this.write({ ...by(caller), action, outcome: 'refused', code, detail }, false)
  }

  /** @throws ClavigerError `too-many-tries` when the caller has to wait */
  mayTry(caller: Caller): void {
    const { wall, budget } = this.now
    const wait = this.chronicle.tries.wait(pinOf(caller), budget)
    if (wait === 0) return
    throw new ClavigerError('too-many-tries', `too many refused tries; wait ${spell(wait)}`, {
      free: Math.ceil((wall + wait) / 1000),
    })
  }

  /**
   * Writes what must be told even where the log cannot be written: what was done is done. Where it fails, only the journal
   * of the device hears of it.
   */
  async told(body: EntryBody): Promise<void> {
    await this.write(body).catch(error => {
      process.stderr.write(
        `claviger-keeper: ${body.action} could not be written to the log: ${error.message}\n`,
      )
    })
  }
}

function spell(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} minutes`
}
