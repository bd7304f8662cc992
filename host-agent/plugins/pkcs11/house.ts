/** One enrolment's device as the applications of this machine share it: its tokens, and the few calls that they come down to. */
import { createHash } from 'node:crypto'
import type { State } from '../../../protocol/api/routes.ts'
import { fromBase64url, toBase64url } from '../../../protocol/bytes.ts'
import type { Appliance } from '../../client/appliance.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { Profile } from '../../client/profile.ts'
import { typedFor, unlock } from '../../client/unlock.ts'
import type { Witness } from '../../client/witness.ts'
import { CKR, Refusal, refuse } from './constants.ts'
import {
  type DerivingKey,
  Handles,
  objectsFor,
  purposesOf,
  type RsaKey,
  type TokenObject,
} from './objects.ts'
import { PinMemory } from './pin-memory.ts'
import { refusalOf, rvOf } from './refusals.ts'

/** Class of the field that raw secrets are asked for as: grants and the log name it. */
export const SECRET_FIELD = 'pkcs11.secret'

/** A slot with its token. */
export interface Token {
  readonly slot: number
  /** `null` while nobody knows what the device is used for, because it was locked ever since. */
  readonly purpose: string | null
  readonly label: string
  /** 16 characters. */
  readonly serial: string
  readonly objects: readonly TokenObject[]
}

/** What is in front of an application now. */
export interface View {
  readonly isThere: boolean
  readonly state: State | null
  readonly tokens: readonly Token[]
}

/** What a {@link House} is given. */
export interface HouseOptions {
  profile: Profile
  connect(): Promise<Appliance>
  witness: Witness
  /** Purposes whose tokens are there even while the device is locked. */
  purposes?: readonly string[]
}

/** What an application is answered from. */
export type TokenSource = Pick<
  House,
  'namespace' | 'wantsPin' | 'handles' | 'look' | 'login' | 'decrypt' | 'derive'
>

/** How old what is known may be, ms: an application asks for many things in a row. */
const FRESH_MS = 500
/** Label of the only token while no purpose is known. */
const UNKNOWN = 'locked'

/** See the head of this file. */
export class House {
  readonly #options: HouseOptions
  readonly handles = new Handles()
  readonly #pins = new PinMemory()
  readonly #slots = new Map<string | null, number>([[null, 0]])
  #appliance: Promise<Appliance> | null = null
  #view: View
  #looked = Number.NEGATIVE_INFINITY
  #looking: Promise<View> | null = null

  constructor(options: HouseOptions) {
    this.#options = options
    const tokens = (options.purposes ?? []).map(purpose => this.#token(purpose, []))
    this.#view = { isThere: false, state: null, tokens: this.#orUnknown(tokens) }
  }

  /** Whether a PIN has to be given. */
  get wantsPin(): boolean {
    return typedFor(this.#options.profile) !== null
  }

  /** Of the device, for people. */
  get namespace(): string {
    return this.#options.profile.namespace
  }

  /** What is there. Never rejects: a device that does not answer is not there. */
  look(): Promise<View> {
    if (performance.now() - this.#looked < FRESH_MS) return Promise.resolve(this.#view)
    this.#looking ??= this.#lookAnew().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  /** @throws Refusal `PIN_INCORRECT`, `PIN_LOCKED`, `USER_PIN_NOT_INITIALIZED`, or what the device says */
  async login(pin: Uint8Array): Promise<void> {
    const { profile, witness } = this.#options
    const text = Buffer.from(pin.buffer, pin.byteOffset, pin.length).toString('utf8')
    this.#looked = Number.NEGATIVE_INFINITY
    const { isThere, state } = await this.look()
    if (!isThere) refuse(CKR.DEVICE_REMOVED)
    if (state === 'operational') {
      if (this.wantsPin && !(await this.#pins.accepts(pin)))
        refuse(this.#pins.isLocked ? CKR.PIN_LOCKED : CKR.PIN_INCORRECT)
      return
    }
    if (state !== 'locked') refuse(CKR.DEVICE_ERROR)
    if (typedFor(profile) === undefined) refuse(CKR.USER_PIN_NOT_INITIALIZED)
    await this.#call(appliance => unlock(appliance, profile, text, witness))
    if (this.wantsPin) await this.#pins.remember(pin)
    this.#looked = Number.NEGATIVE_INFINITY
    await this.look()
  }

  /** @returns the value's bytes, which the caller zeroes. @throws Refusal */
  async decrypt(purpose: string, key: RsaKey, record: string, block: Uint8Array): Promise<Uint8Array> {
    const { results } = await this.#call(appliance =>
      appliance.decrypt({
        purpose,
        items: [
          {
            ciphertext: Buffer.from(block).toString('base64'),
            context: { field: key.field, record },
            key: key.name,
            encoding: 'base64url',
          },
        ],
      }),
    )
    const { value, error } = results[0] ?? {}
    if (error) throw new Refusal(rvOf(error.code))
    return (value === undefined ? null : fromBase64url(value)) ?? refuse(CKR.DEVICE_ERROR)
  }

  /** @returns 32 bytes, which the caller zeroes. @throws Refusal */
  async derive(purpose: string, { name, version }: DerivingKey, peer: Uint8Array): Promise<Uint8Array> {
    // the peer's key stands for the record: each counts once
    const record = createHash('sha256').update(peer).digest('hex')
    const body = {
      purpose,
      key: name,
      version,
      public: toBase64url(peer),
      context: { field: SECRET_FIELD, record },
    }
    const { secret } = await this.#call(appliance => appliance.derive(body))
    return fromBase64url(secret) ?? refuse(CKR.DEVICE_ERROR)
  }

  async close(): Promise<void> {
    await this.#drop(this.#appliance)
  }

  /** @throws Refusal */
  async #call<T>(use: (appliance: Appliance) => Promise<T>): Promise<T> {
    this.#appliance ??= this.#options.connect()
    const connecting = this.#appliance
    let appliance: Appliance | null = null
    try {
      appliance = await connecting
      return await use(appliance)
    } catch (error) {
      // what did not connect, or is connected no more, is not asked again
      if (appliance === null || error instanceof ConnectionError) await this.#drop(connecting)
      // the state may be another than was seen
      this.#looked = Number.NEGATIVE_INFINITY
      throw refusalOf(error)
    }
  }

  async #drop(connecting: Promise<Appliance> | null): Promise<void> {
    // another call may have dropped it, and a third connected anew
    if (this.#appliance === connecting) this.#appliance = null
    const appliance = await connecting?.catch(() => null)
    await appliance?.close()
  }

  async #lookAnew(): Promise<View> {
    const { tokens } = this.#view
    try {
      this.#view = await this.#call(async appliance => {
        const { state } = await appliance.status()
        if (state !== 'operational') return { isThere: true, state, tokens }
        const [grants, { keys }] = await Promise.all([appliance.myGrants(), appliance.listKeys()])
        const purposes = [...new Set([...(this.#options.purposes ?? []), ...purposesOf(grants)])]
        const found = purposes.map(purpose =>
          this.#token(purpose, objectsFor(purpose, grants, keys, this.handles)),
        )
        return { isThere: true, state, tokens: this.#orUnknown(found) }
      })
    } catch {
      this.#view = { isThere: false, state: null, tokens }
    }
    this.#looked = performance.now()
    return this.#view
  }

  #orUnknown(tokens: Token[]): Token[] {
    return tokens.length > 0 ? tokens : [this.#token(null, [])]
  }

  #token(purpose: string | null, objects: readonly TokenObject[]): Token {
    const slot = this.#slots.get(purpose) ?? this.#slots.size
    this.#slots.set(purpose, slot)
    const { device, namespace } = this.#options.profile
    const whose = JSON.stringify([device, namespace, purpose])
    const serial = createHash('sha256').update(whose).digest('hex').slice(0, 16)
    return { slot, purpose, label: purpose ?? UNKNOWN, serial, objects }
  }
}
