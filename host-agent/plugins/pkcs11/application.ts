/** One application: answers its calls, one after another. */
import { CKA, CKF, CKM, CKR, CKU, Refusal, refuse } from './constants.ts'
import { Decrypting, recordOf } from './decrypting.ts'
import { lengthOf, peerOf, secretAttributes } from './deriving.ts'
import type { TokenSource } from './house.ts'
import { refusalOf } from './refusals.ts'
import { type Session, Sessions } from './sessions.ts'
import { isSame, writeAttribute } from './wire/attributes.ts'
import {
  type ArgumentsOf,
  beginAnswer,
  type CallName,
  errorAnswer,
  type Room,
  readCall,
} from './wire/calls.ts'
import { Malformed } from './wire/reader.ts'
import type { Writer } from './wire/writer.ts'

/** What a client says in its first call. */
const HANDSHAKE = 'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1'
const MAKER = 'Claviger'
const VERSION = [1, 0] as const
/** Longest PIN, bytes. */
const LONGEST_PIN = 1024
const UNAVAILABLE = -1

/** What is told of a mechanism: sizes of keys in bits, and what for. */
const MECHANISMS = new Map<number, [least: number, most: number, flags: number]>([
  [CKM.RSA_PKCS, [1024, 4096, CKF.MECHANISM_HW | CKF.MECHANISM_DECRYPT]],
  [CKM.RSA_PKCS_OAEP, [1024, 4096, CKF.MECHANISM_HW | CKF.MECHANISM_DECRYPT]],
  [CKM.ECDH1_DERIVE, [255, 256, CKF.MECHANISM_HW | CKF.MECHANISM_DERIVE | CKF.MECHANISM_EC_F_P]],
])
/** Of a private key: that they are there is no secret, they are. */
const SENSITIVE: ReadonlySet<number> = new Set([
  CKA.VALUE,
  CKA.PRIVATE_EXPONENT,
  ...Array.from({ length: CKA.COEFFICIENT - CKA.PRIME_1 + 1 }, (_, i) => CKA.PRIME_1 + i),
])

type Handler<N extends CallName> = (args: ArgumentsOf<N>, out: Writer) => unknown

/** See the head of this file. */
export class Application {
  readonly #house: TokenSource
  readonly #sessions: Sessions
  #isInitialized = false

  constructor(house: TokenSource) {
    this.#house = house
    this.#sessions = new Sessions(house)
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

  readonly #handlers: { readonly [N in CallName]: Handler<N> } = {
    initialize: ([handshake]) => {
      if (!handshake || Buffer.from(handshake).toString('latin1') !== HANDSHAKE) refuse(CKR.GENERAL_ERROR)
      if (this.#isInitialized) refuse(CKR.CRYPTOKI_ALREADY_INITIALIZED)
      this.#isInitialized = true
    },
    finalize: () => this.end(),

    getInfo: (_, out) =>
      out
        .version(2, 40)
        .padded(MAKER, 32)
        .ulong(0)
        .padded('keys of a Claviger device', 32)
        .version(...VERSION),
    getSlotList: async ([presentOnly, room], out) => {
      const { isThere, tokens } = await this.#house.look()
      const slots = presentOnly && !isThere ? [] : tokens.map(({ slot }) => slot)
      out.ulongs(slots, room)
    },
    getSlotInfo: async ([slot], out) => {
      const { label } = await this.#sessions.token(slot)
      const { isThere } = await this.#house.look()
      const flags = CKF.SLOT_REMOVABLE_DEVICE | (isThere ? CKF.SLOT_TOKEN_PRESENT : 0)
      out
        .padded(`Claviger: ${label}`, 64)
        .padded(MAKER, 32)
        .ulong(flags)
        .version(...VERSION)
        .version(...VERSION)
    },
    getTokenInfo: async ([slot], out) => {
      const { label, serial } = await this.#sessions.token(slot)
      if (!(await this.#house.look()).isThere) refuse(CKR.TOKEN_NOT_PRESENT)
      const login = this.#house.wantsPin ? CKF.TOKEN_LOGIN_REQUIRED : 0
      out.padded(label, 32).padded(MAKER, 32).padded('Claviger', 16).padded(serial, 16)
      out.ulong(CKF.TOKEN_INITIALIZED | CKF.TOKEN_USER_PIN_INITIALIZED | login)
      // sessions without a limit, none of them counted; then the lengths of a PIN; then memory
      out.ulong(0).ulong(UNAVAILABLE).ulong(0).ulong(UNAVAILABLE).ulong(LONGEST_PIN).ulong(0)
      for (let i = 0; i < 4; i++) out.ulong(UNAVAILABLE)
      out
        .version(...VERSION)
        .version(...VERSION)
        .padded('', 16)
    },
    getMechanismList: async ([slot, room], out) => out.ulongs(await this.#mechanismsOf(slot), room),
    getMechanismInfo: async ([slot, type], out) => {
      const isThere = (await this.#mechanismsOf(slot)).includes(type)
      const [least, most, flags] = (isThere && MECHANISMS.get(type)) || refuse(CKR.MECHANISM_INVALID)
      out.ulong(least).ulong(most).ulong(flags)
    },

    openSession: async ([slot, flags], out) => out.ulong((await this.#sessions.open(slot, flags)).handle),
    closeSession: ([session]) => this.#sessions.close(this.#sessions.get(session)),
    closeAllSessions: async ([slot]) => {
      await this.#sessions.token(slot)
      this.#sessions.closeAll(slot)
    },
    getSessionInfo: ([handle], out) => {
      const session = this.#sessions.get(handle)
      const flags = CKF.SESSION_SERIAL | (session.isReadWrite ? CKF.SESSION_RW : 0)
      out.ulong(session.slot).ulong(this.#sessions.stateOf(session)).ulong(flags).ulong(0)
    },
    login: async ([handle, user, pin]) => {
      const session = this.#sessions.get(handle)
      if (user !== CKU.USER) refuse(CKR.USER_TYPE_INVALID)
      if (!pin) return refuse(CKR.ARGUMENTS_BAD)
      try {
        if (pin.length > LONGEST_PIN) refuse(CKR.PIN_INCORRECT)
        await this.#sessions.login(session, pin)
      } finally {
        pin.fill(0)
      }
    },
    logout: ([handle]) => this.#sessions.logout(this.#sessions.get(handle)),

    findObjectsInit: async ([handle, template]) => {
      const session = this.#sessions.get(handle)
      if (session.found) refuse(CKR.OPERATION_ACTIVE)
      const fitting = (await this.#sessions.objects(session)).filter(({ attributes }) =>
        [...template].every(([type, value]) => isSame(attributes.get(type), value)),
      )
      session.found = fitting.map(({ handle }) => handle)
    },
    findObjects: ([handle, room], out) => {
      const { found } = this.#sessions.get(handle)
      if (!found) return refuse(CKR.OPERATION_NOT_INITIALIZED)
      const told = found.splice(0, room)
      out.ulongs(told, told.length)
    },
    findObjectsFinal: ([handle]) => {
      const session = this.#sessions.get(handle)
      if (!session.found) refuse(CKR.OPERATION_NOT_INITIALIZED)
      session.found = null
    },
    getAttributeValue: async ([handle, object, wanted], out) => {
      const session = this.#sessions.get(handle)
      const { attributes, key, isPrivate } = await this.#object(session, object)
      let rv: number = CKR.OK
      out.uint32(wanted.length)
      for (const { type } of wanted) {
        const value = attributes.get(type) ?? null
        const isHidden = key !== null && isPrivate && SENSITIVE.has(type)
        if (value === null) rv = isHidden ? CKR.ATTRIBUTE_SENSITIVE : CKR.ATTRIBUTE_TYPE_INVALID
        writeAttribute(out, type, value)
      }
      out.ulong(rv)
    },
    destroyObject: async ([handle, object]) => {
      const session = this.#sessions.get(handle)
      await this.#object(session, object)
      this.#sessions.destroy(session, object)
    },

    decryptInit: async ([handle, mechanism, object]) => {
      const session = this.#sessions.get(handle)
      if (mechanism === null) return this.#endDecrypting(session)
      if (session.decrypting) refuse(CKR.OPERATION_ACTIVE)
      const { key, isPrivate } = await this.#sessions.object(session, object, CKR.KEY_HANDLE_INVALID)
      if (!isPrivate || key?.kind !== 'rsa') return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
      session.decrypting = new Decrypting(key, recordOf(mechanism, key, this.#house.namespace))
    },
    decrypt: async ([handle, data, room], out) => {
      const session = this.#sessions.get(handle)
      const decrypting = this.#decryptingOf(session)
      if (room === null) return sizeOnly(out, decrypting.most)
      await this.#finish(session, decrypting, room, out, () => {
        if (!decrypting.isOpened) decrypting.take(data ?? new Uint8Array())
      })
    },
    decryptUpdate: ([handle, data], out) => {
      const session = this.#sessions.get(handle)
      const decrypting = this.#decryptingOf(session)
      try {
        decrypting.take(data ?? new Uint8Array())
      } catch (error) {
        this.#endDecrypting(session)
        throw error
      }
      // nothing comes before the whole block is there
      out.byte(1).bytes(new Uint8Array())
    },
    decryptFinal: async ([handle, room], out) => {
      const session = this.#sessions.get(handle)
      const decrypting = this.#decryptingOf(session)
      if (room === null) return sizeOnly(out, decrypting.most)
      await this.#finish(session, decrypting, room, out, () => {})
    },

    deriveKey: async ([handle, mechanism, object, template], out) => {
      const session = this.#sessions.get(handle)
      const { key, isPrivate } = await this.#sessions.object(session, object, CKR.KEY_HANDLE_INVALID)
      if (!isPrivate || key?.kind !== 'derive') return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
      const peer = peerOf(mechanism, key)
      const length = lengthOf(template)
      const secret = await this.#asking(session, purpose => this.#house.derive(purpose, key, peer))
      // PKCS#11: a shorter one loses its leading bytes
      const value = secret.slice(secret.length - length)
      secret.fill(0)
      out.ulong(this.#sessions.keep(session, secretAttributes(template, value), value))
    },
  }

  #object(session: Session, handle: number) {
    return this.#sessions.object(session, handle, CKR.OBJECT_HANDLE_INVALID)
  }

  #decryptingOf({ decrypting }: Session): Decrypting {
    return decrypting ?? refuse(CKR.OPERATION_NOT_INITIALIZED)
  }

  #endDecrypting(session: Session): void {
    session.decrypting?.end()
    session.decrypting = null
  }

  /** Writes the result. One that does not fit stays for another try; everything else ends the operation. */
  async #finish(
    session: Session,
    decrypting: Decrypting,
    room: Exclude<Room, null>,
    out: Writer,
    before: () => void,
  ): Promise<void> {
    try {
      before()
      const value = await this.#asking(session, purpose =>
        decrypting.result((key, record, block) => this.#house.decrypt(purpose, key, record, block)),
      )
      if (value.length > room) return sizeOnly(out, value.length)
      out.byte(1).bytes(value)
    } catch (error) {
      this.#endDecrypting(session)
      throw error
    }
    this.#endDecrypting(session)
  }

  /** Asks the device for the purpose of the session's token. */
  async #asking<T>(session: Session, ask: (purpose: string) => Promise<T>): Promise<T> {
    const { purpose } = await this.#sessions.token(session.slot)
    if (purpose === null) return refuse(CKR.KEY_FUNCTION_NOT_PERMITTED)
    try {
      return await ask(purpose)
    } catch (error) {
      // locked since: the application may log in again
      if (error instanceof Refusal && error.rv === CKR.USER_NOT_LOGGED_IN)
        this.#sessions.forgetLogin(session.slot)
      throw error
    }
  }

  async #mechanismsOf(slot: number): Promise<number[]> {
    const { objects } = await this.#sessions.token(slot)
    const derives = objects.some(({ key }) => key.kind === 'derive')
    return [...MECHANISMS.keys()].filter(type => type !== CKM.ECDH1_DERIVE || derives)
  }
}

/** Says only how many bytes there would be. */
function sizeOnly(out: Writer, length: number): void {
  out.byte(0).uint32(length)
}
