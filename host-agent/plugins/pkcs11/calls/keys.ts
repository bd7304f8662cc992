/** Decrypting and deriving. */
import { CKR, Refusal, refuse } from '../constants.ts'
import { Decrypting, recordOf } from '../decrypting.ts'
import { lengthOf, peerOf, secretAttributes } from '../deriving.ts'
import type { TokenSource } from '../house.ts'
import type { Session, Sessions } from '../sessions.ts'
import type { Room } from '../wire/calls.ts'
import type { Writer } from '../wire/writer.ts'
import type { Handlers } from './handler.ts'

type Calls = 'decryptInit' | 'decrypt' | 'decryptUpdate' | 'decryptFinal' | 'deriveKey'

export function keyCalls(house: TokenSource, sessions: Sessions): Handlers<Calls> {
  /** Writes the result. One that does not fit stays for another try; everything else ends the operation. */
  async function finish(
    session: Session,
    decrypting: Decrypting,
    room: Exclude<Room, null>,
    out: Writer,
    before: () => void,
  ): Promise<void> {
    try {
      before()
      const value = await asking(session, purpose =>
        decrypting.result((key, record, block) => house.decrypt(purpose, key, record, block)),
      )
      if (value.length > room) return sizeOnly(out, value.length)
      out.byte(1).bytes(value)
    } catch (error) {
      endDecrypting(session)
      throw error
    }
    endDecrypting(session)
  }

  /** Asks the device for the purpose of the session's token. */
  async function asking<T>(session: Session, ask: (purpose: string) => Promise<T>): Promise<T> {
    const { purpose } = await sessions.token(session.slot)
    if (purpose === null) return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
    try {
      return await ask(purpose)
    } catch (error) {
      // locked since: the application may log in again
      if (error instanceof Refusal && error.rv === CKR.USER_NOT_LOGGED_IN) sessions.forgetLogin(session.slot)
      throw error
    }
  }

  return {
    decryptInit: async ([handle, mechanism, object]) => {
      const session = sessions.get(handle)
      if (mechanism === null) return endDecrypting(session)
      if (session.decrypting) refuse(CKR.OPERATION_ACTIVE)
      const { key, isPrivate } = await sessions.object(session, object, CKR.KEY_HANDLE_INVALID)
      if (!isPrivate || key?.kind !== 'rsa') return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
      session.decrypting = new Decrypting(key, recordOf(mechanism, key, house.namespace))
    },
    decrypt: async ([handle, data, room], out) => {
      const session = sessions.get(handle)
      const decrypting = decryptingOf(session)
      if (room === null) return sizeOnly(out, decrypting.most)
      await finish(session, decrypting, room, out, () => {
        if (!decrypting.isOpened) decrypting.take(data ?? new Uint8Array())
      })
    },
    decryptUpdate: ([handle, data], out) => {
      const session = sessions.get(handle)
      const decrypting = decryptingOf(session)
      try {
        decrypting.take(data ?? new Uint8Array())
      } catch (error) {
        endDecrypting(session)
        throw error
      }
      // nothing comes before the whole block is there
      out.byte(1).bytes(new Uint8Array())
    },
    decryptFinal: async ([handle, room], out) => {
      const session = sessions.get(handle)
      const decrypting = decryptingOf(session)
      if (room === null) return sizeOnly(out, decrypting.most)
      await finish(session, decrypting, room, out, () => {})
    },

    deriveKey: async ([handle, mechanism, object, template], out) => {
      const session = sessions.get(handle)
      const { key, isPrivate } = await sessions.object(session, object, CKR.KEY_HANDLE_INVALID)
      if (!isPrivate || key?.kind !== 'derive') return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
      const peer = peerOf(mechanism, key)
      const length = lengthOf(template)
      const secret = await asking(session, purpose => house.derive(purpose, key, peer))
      // PKCS#11: a shorter one loses its leading bytes
      const value = secret.slice(secret.length - length)
      secret.fill(0)
      out.ulong(sessions.keep(session, secretAttributes(template, value), value))
    },
  }
}

function decryptingOf({ decrypting }: Session): Decrypting {
  return decrypting ?? refuse(CKR.OPERATION_NOT_INITIALIZED)
}

function endDecrypting(session: Session): void {
  session.decrypting?.end()
  session.decrypting = null
}

/** Says only how many bytes there would be. */
function sizeOnly(out: Writer, length: number): void {
  out.byte(0).uint32(length)
}
