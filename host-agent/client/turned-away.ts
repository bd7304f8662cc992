/**
 * Tells a device that does not know us from a cable that comes and goes. In TLS 1.3 the device refuses a certificate only after the
 * client takes the handshake for done, and Node then ends the connection without an alert: it looks like one that was cut.
 */
import type { BrokenExchange } from './exchange.ts'
import type { Wire } from './wire.ts'

/** So many new connections in a row that the device ends without an answer mean that it does not know us. */
const REFUSALS = 3

/** Counts them for one call. */
export class TurnedAway {
  readonly #wire: Wire
  #count = 0
  #greeting: string | undefined

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** There was an answer. */
  reset(): void {
    this.#count = 0
  }

  /** Takes the next failure. @returns whether it is the one that says that we are not known */
  async isSo({ sent, fresh }: BrokenExchange): Promise<boolean> {
    if (!sent || !fresh) {
      this.#count = 0
      return false
    }
    const greeting = this.#wire.greeting ? await this.#wire.greeting().catch(() => null) : ''
    if (greeting === null || greeting !== this.#greeting) this.#count = 0
    this.#greeting = greeting ?? undefined
    this.#count++
    return greeting !== null && this.#count === REFUSALS
  }
}
