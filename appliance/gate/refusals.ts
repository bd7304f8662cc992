/**
 * Addresses on the LAN that were refused again and again have to wait before they may even start a handshake. What is
 * remembered survives a restart.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Backoff, type BackoffLimits, type Tried } from '../backoff.ts'
import { integer, list, text, tuple } from '../ipc/shape.ts'
import { writeWhole } from './identity.ts'

/** A shop's machines share few addresses, so the wait is short: it slows a machine down, it does not lock people out. */
const LIMITS: BackoffLimits = { free: 20, first: 1, longest: 60 }

/** Refusals are written at most so often, ms. */
const WRITE_EVERY_MS = 1000

const Remembered = list(tuple<[string, number, number]>(text(64), integer(), integer()), 4096)

export class Refusals {
  readonly #path: string | null
  readonly #backoff: Backoff
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #written: Promise<void> = Promise.resolve()

  private constructor(path: string | null, free: number, now: () => number) {
    this.#path = path
    this.#now = now
    this.#backoff = new Backoff({ ...LIMITS, free })
  }

  /**
   * @param directory - where it is remembered; `null` for nowhere
   * @param free - refusals before the first wait; another than the default is for tests
   */
  static async load(directory: string | null, free = LIMITS.free, now = Date.now): Promise<Refusals> {
    const path = directory && join(directory, 'refusals.json')
    const refusals = new Refusals(path, free, now)
    const kept =
      path === null
        ? null
        : await readFile(path, 'utf8')
            .then(JSON.parse)
            .catch(() => null)
    if (Remembered(kept)) refusals.#backoff.remember(kept as unknown as Tried[])
    return refusals
  }

  /** Whether a connection from this address is answered at all. */
  mayConnect(address: string | undefined): boolean {
    return address === undefined || this.#backoff.wait(address, this.#now()) === 0
  }

  /** A handshake, or a caller, from this address was refused. A serial line has no address: whoever is on it, is. */
  refused(address: string | undefined): void {
    if (address === undefined) return
    this.#backoff.refused(address, this.#now())
    if (this.#path !== null) this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS).unref()
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const path = this.#path!
    const kept = JSON.stringify(this.#backoff.remembered())
    this.#written = this.#written.then(() =>
      writeWhole(path, kept).catch(error => {
        process.stderr.write(`claviger-gate: refused addresses cannot be kept: ${error.message}\n`)
      }),
    )
  }

  /** Writes what was not written yet. */
  async settled(): Promise<void> {
    if (this.#timer) this.#write()
    await this.#written
  }
}
