/** One application: answers its calls, one after another. */
import type { Handler, Handlers } from './calls/handler.ts'
import { keyCalls } from './calls/keys.ts'
import { objectCalls } from './calls/objects.ts'
import { sessionCalls } from './calls/sessions.ts'
import { tokenCalls } from './calls/tokens.ts'
import { CKR, refuse } from './constants.ts'
import type { TokenSource } from './house.ts'
import { refusalOf } from './refusals.ts'
import { Sessions } from './sessions.ts'
import { beginAnswer, type CallName, errorAnswer, readCall } from './wire/calls.ts'
import { Malformed } from './wire/reader.ts'

/** What a client says in its first call. */
const HANDSHAKE = 'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1'

/** See the head of this file. */
export class Application {
  readonly #sessions: Sessions
  readonly #handlers: Handlers<CallName>
  #isInitialized = false

  constructor(house: TokenSource) {
    const sessions = new Sessions(house)
    this.#sessions = sessions
    this.#handlers = {
      initialize: ([handshake]) => {
        if (!handshake || Buffer.from(handshake).toString('latin1') !== HANDSHAKE) refuse(CKR.GENERAL_ERROR)
        if (this.#isInitialized) refuse(CKR.CRYPTOKI_ALREADY_INITIALIZED)
        this.#isInitialized = true
      },
      finalize: () => this.end(),
      ...tokenCalls(house, sessions),
      ...sessionCalls(sessions),
      ...objectCalls(sessions),
      ...keyCalls(house, sessions),
    }
  }

  /**
   * The answer to a request. Never rejects: what cannot be answered is refused.
   * @param offered - version that the client offered in its greeting
   * @returns bytes that may be zeroed
   */
  async answer(body: Uint8Array, offered: number): Promise<Uint8Array> {
    try {
      const { name, id, args } = readCall(body, offered)
      if (!this.#isInitialized && name !== 'initialize') refuse(CKR.CRYPTOKI_NOT_INITIALIZED)
      const out = beginAnswer(id)
      await (this.#handlers[name] as Handler<CallName>)(args as never, out)
      return out.finish()
    } catch (error) {
      return errorAnswer(error instanceof Malformed ? CKR.ARGUMENTS_BAD : refusalOf(error).rv)
    }
  }

  /** Forgets everything: the application is gone. */
  end(): void {
    this.#sessions.closeAll()
    this.#isInitialized = false
  }
}
