/** HTTP over TLS to the appliance. */
import type { Duplex } from 'node:stream'
import { openTls, type PinCheck } from './handshake.ts'
import { Agent } from './http.ts'
import type { Credentials } from './identity.ts'
import type { Wire } from './wire.ts'

export { type PinCheck, pinned } from './handshake.ts'

/** An HTTP agent whose connections are TLS over a wire. Kept alive; one request at a time on each. */
export class WireAgent extends Agent {
  readonly #wire: Wire
  readonly #credentials: Credentials
  readonly #check: PinCheck

  constructor(wire: Wire, credentials: Credentials, check: PinCheck) {
    super({ keepAlive: true, maxSockets: 32, scheduling: 'lifo' })
    this.#wire = wire
    this.#credentials = credentials
    this.#check = check
  }

  override createConnection(
    _options: object,
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    openTls(this.#wire, this.#credentials, this.#check).then(
      socket => done?.(null, socket),
      error => done?.(error as Error, undefined as unknown as Duplex),
    )
  }
}
