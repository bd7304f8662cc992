/** The sessions of one application, who is logged in, and the objects that belong to them. */
import { CKF, CKR, CKS, refuse } from './constants.ts'
import type { Decrypting } from './decrypting.ts'
import type { Token, TokenSource } from './house.ts'
import type { TokenObject } from './objects.ts'
import type { AttributeValue } from './wire/attributes.ts'

/** Of one application. */
const MOST_SESSIONS = 64
/** Of one application with one token. */
const MOST_SECRETS = 64

/** A secret that was derived: it lives as long as its session. */
export interface Secret {
  readonly handle: number
  readonly isPrivate: true
  readonly attributes: ReadonlyMap<number, AttributeValue>
  readonly key: null
  readonly value: Uint8Array
}

/** An open session. */
export interface Session {
  readonly handle: number
  readonly slot: number
  readonly isReadWrite: boolean
  /** Handles that a search has still to tell. */
  found: number[] | null
  decrypting: Decrypting | null
  readonly secrets: Map<number, Secret>
}

/** See the head of this file. */
export class Sessions {
  readonly #house: TokenSource
  readonly #open = new Map<number, Session>()
  readonly #loggedIn = new Set<number>()
  #last = 0

  constructor(house: TokenSource) {
    this.#house = house
  }

  /** @throws Refusal `SLOT_ID_INVALID` */
  async token(slot: number): Promise<Token> {
    const { tokens } = await this.#house.look()
    return tokens.find(token => token.slot === slot) ?? refuse(CKR.SLOT_ID_INVALID)
  }

  /** @throws Refusal `SLOT_ID_INVALID`, `TOKEN_NOT_PRESENT`, `SESSION_PARALLEL_NOT_SUPPORTED`, `SESSION_COUNT` */
  async open(slot: number, flags: number): Promise<Session> {
    await this.token(slot)
    if (!(await this.#house.look()).isThere) refuse(CKR.TOKEN_NOT_PRESENT)
    if ((flags & CKF.SESSION_SERIAL) === 0) refuse(CKR.SESSION_PARALLEL_NOT_SUPPORTED)
    if (this.#open.size >= MOST_SESSIONS) refuse(CKR.SESSION_COUNT)
    const session: Session = {
      handle: ++this.#last,
      slot,
      isReadWrite: (flags & CKF.SESSION_RW) !== 0,
      found: null,
      decrypting: null,
      secrets: new Map(),
    }
    this.#open.set(session.handle, session)
    return session
  }

  /** @throws Refusal `SESSION_HANDLE_INVALID` */
  get(handle: number): Session {
    return this.#open.get(handle) ?? refuse(CKR.SESSION_HANDLE_INVALID)
  }

  close(session: Session): void {
    session.decrypting?.end()
    for (const { value } of session.secrets.values()) value.fill(0)
    this.#open.delete(session.handle)
    // PKCS#11: with the last session with a token its login ends
    if (!this.#of(session.slot).length) this.#loggedIn.delete(session.slot)
  }

  /** @param slot - all of them unless told */
  closeAll(slot?: number): void {
    for (const session of [...this.#open.values()])
      if (slot === undefined || session.slot === slot) this.close(session)
  }

  isLoggedIn({ slot }: Pick<Session, 'slot'>): boolean {
    return this.#loggedIn.has(slot) || !this.#house.wantsPin
  }

  /** @throws Refusal `USER_ALREADY_LOGGED_IN`, and what {@link House.login} throws */
  async login({ slot }: Session, pin: Uint8Array): Promise<void> {
    if (this.#loggedIn.has(slot)) refuse(CKR.USER_ALREADY_LOGGED_IN)
    await this.#house.login(pin)
    this.#loggedIn.add(slot)
  }

  /** @throws Refusal `USER_NOT_LOGGED_IN` */
  logout({ slot }: Session): void {
    if (!this.#loggedIn.has(slot)) refuse(CKR.USER_NOT_LOGGED_IN)
    this.forgetLogin(slot)
  }

  /** The device was locked, or the application logged out. */
  forgetLogin(slot: number): void {
    this.#loggedIn.delete(slot)
    for (const session of this.#of(slot)) {
      session.decrypting?.end()
      session.decrypting = null
      session.found = null
      for (const { value } of session.secrets.values()) value.fill(0)
      session.secrets.clear()
    }
  }

  stateOf(session: Session): number {
    const isUser = this.isLoggedIn(session)
    if (session.isReadWrite) return isUser ? CKS.RW_USER : CKS.RW_PUBLIC
    return isUser ? CKS.RO_USER : CKS.RO_PUBLIC
  }

  /** Objects that a session may see, in the order in which they are told. */
  async objects(session: Session): Promise<(TokenObject | Secret)[]> {
    const { objects } = await this.token(session.slot)
    const secrets = this.#of(session.slot).flatMap(({ secrets }) => [...secrets.values()])
    return [...objects, ...secrets].filter(({ isPrivate }) => !isPrivate || this.isLoggedIn(session))
  }

  /** @throws Refusal `rv` where there is none that the session may see */
  async object(session: Session, handle: number, rv: number): Promise<TokenObject | Secret> {
    return (await this.objects(session)).find(object => object.handle === handle) ?? refuse(rv)
  }

  /** @param value - the session's from here on. @throws Refusal `DEVICE_MEMORY` for too many */
  keep(session: Session, attributes: ReadonlyMap<number, AttributeValue>, value: Uint8Array): number {
    const count = this.#of(session.slot).reduce((sum, { secrets }) => sum + secrets.size, 0)
    if (count >= MOST_SECRETS) {
      value.fill(0)
      refuse(CKR.DEVICE_MEMORY)
    }
    const handle = this.#house.handles.next()
    session.secrets.set(handle, { handle, isPrivate: true, attributes, key: null, value })
    return handle
  }

  /** @throws Refusal `TOKEN_WRITE_PROTECTED` for what is not a session's */
  destroy(session: Session, handle: number): void {
    for (const { secrets } of this.#of(session.slot)) {
      const secret = secrets.get(handle)
      if (!secret) continue
      secret.value.fill(0)
      secrets.delete(handle)
      return
    }
    refuse(CKR.TOKEN_WRITE_PROTECTED)
  }

  #of(slot: number): Session[] {
    return [...this.#open.values()].filter(session => session.slot === slot)
  }
}
