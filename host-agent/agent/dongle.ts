/** One port that the agent holds: who says to be there, who was proved to be there, and how it does. */
import type { Duplex } from 'node:stream'
import { fromBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import type { Hello } from '../../protocol/link/hello.ts'
import type { ConnectionError } from '../client/errors.ts'
import { HostLine } from '../client/host-line.ts'
import type { AgentDevice } from '../client/tunnel.ts'
import type { Wire } from '../client/wire.ts'

const PIN_BYTES = 32

/** What a dongle tells its agent. */
export interface DongleEvents {
  /** It greeted; `restarted` when it is not the greeting of a process that was known already. */
  onHello(dongle: Dongle, restarted: boolean): void
  /** Its port failed or went away. */
  onFailure(dongle: Dongle, error: Error | null): void
}

/** A port, and what is known of the device behind it. */
export class Dongle {
  readonly path: string
  /** Serial number of the USB device; `null` for a port that is not on USB, or does not tell. */
  readonly usbSerial: string | null
  readonly #events: DongleEvents
  #line!: HostLine
  #hello: Hello | null = null
  /** The enrolments with the device that it claims to be. */
  enrolments: string[] = []
  /** Whether it proved to hold the key that its enrolments pin; `null` before it was asked. */
  proved: boolean | null = null
  /** Why it cannot be used though it answers. */
  fault: ConnectionError | null = null

  constructor(path: string, usbSerial: string | null, events: DongleEvents) {
    this.path = path
    this.usbSerial = usbSerial
    this.#events = events
    this.#begin()
  }

  #begin(): void {
    const line = new HostLine(this.path)
    this.#line = line
    line.on('hello', hello => {
      const restarted = hello.epoch !== this.#hello?.epoch
      if (restarted) this.#forget()
      this.#hello = hello
      this.#events.onHello(this, restarted)
    })
    line.on('failure', error => {
      this.#forget()
      this.#events.onFailure(this, error)
    })
  }

  #forget(): void {
    this.#hello = null
    this.enrolments = []
    this.proved = null
    this.fault = null
  }

  /** The pin of the device that it claims to be, base64url; `null` before it said so. */
  get device(): string | null {
    const { deviceId } = this.#hello ?? {}
    return deviceId !== undefined && fromBase64url(deviceId)?.length === PIN_BYTES ? deviceId : null
  }

  /** Serial number of the device that it claims to be. */
  get serial(): string | null {
    const { device } = this
    return device === null ? this.usbSerial : deviceSerial(fromBase64url(device)!)
  }

  /** The state that it announced. */
  get state(): string | null {
    return this.#hello?.state ?? null
  }

  /** The last greeting; another object for each. */
  get hello(): Hello | null {
    return this.#hello
  }

  /** A wire for the agent's own requests. */
  get wire(): Wire {
    return {
      address: `serial:${this.path}`,
      open: () => this.open(),
      greeting: async () => this.#line.greeting,
      close: async () => {},
    }
  }

  /** A fresh byte stream to its gate. @throws ConnectionError */
  async open(): Promise<Duplex> {
    if (this.proved === false && this.fault) throw this.fault
    return this.#line.open()
  }

  /**
   * Makes sure that it still answers, and opens its port anew when it does not.
   *
   * @param timeout ms
   */
  async check(timeout: number): Promise<void> {
    const line = this.#line
    if (!line.greeted) return
    try {
      await line.ping(timeout)
    } catch {
      // a port that failed in the meantime is opened again by its line
      if (line !== this.#line || !line.greeted) return
      this.#forget()
      line.removeAllListeners()
      await line.close()
      if (line === this.#line) this.#begin()
    }
  }

  /** Frees the port. */
  async close(): Promise<void> {
    this.#line.removeAllListeners()
    await this.#line.close()
  }

  /** What programs of this user are told. */
  async describe(): Promise<AgentDevice> {
    const fault = this.fault ?? (await this.#line.problem())
    return {
      path: this.path,
      serial: this.serial,
      state: this.state,
      enrolments: this.enrolments,
      proved: this.proved,
      greeting: this.#line.greeting,
      ...(fault ? { problem: fault.message } : {}),
      ...(fault?.hint ? { hint: fault.hint } : {}),
    }
  }
}
