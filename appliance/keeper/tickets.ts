/** Key pairs to which private keys are sealed on their way in ({@link ../../protocol/envelope/hand-in.ts}), one at a time. */
import type { KeyObject } from 'node:crypto'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { makeTicket, type Ticket } from '../../protocol/envelope/hand-in.ts'
import { type FieldPrivateKey, generatePrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'

/** ms for which a ticket is good. */
const GOOD_FOR_MS = 600_000

export class Tickets {
  #held: { privateKey: FieldPrivateKey; until: number } | null = null

  /**
   * Makes a ticket; the one before it is good no more.
   * @param up - ms since the boot
   */
  issue(namespace: string, logKey: KeyObject, up: number): Ticket {
    const { pkcs8, publicKey } = generatePrivateKey('x')
    try {
      this.#held = { privateKey: importPrivateKey('x', pkcs8, 0), until: up + GOOD_FOR_MS }
    } finally {
      pkcs8.fill(0)
    }
    return makeTicket(namespace, publicKey, logKey)
  }

  /**
   * The private half, once.
   * @throws OpenError `open-failed` where there is none, or it was too long ago
   */
  take(up: number): FieldPrivateKey {
    const held = this.#held
    this.#held = null
    if (held === null || up > held.until) throw new OpenError({ cause: new Error('there is no ticket') })
    return held.privateKey
  }

  /** With the other keys. */
  forget(): void {
    this.#held = null
  }
}
