/**
 * The agent of one user: holds every dongle that is plugged in, proves who it is, unlocks it, and hands byte streams to
 * the user's programs. What those carry is TLS of their own, which the agent cannot read.
 */
import type { Duplex } from 'node:stream'
import { type FoundDevice, lanAddresses } from '../client/announcement.ts'
import { ConnectionError } from '../client/errors.ts'
import type { AgentDevice } from '../client/tunnel.ts'
import type { DonglePort } from '../client/usb/ports.ts'
import { Attendant, type AttendantOptions } from './attendant.ts'
import { Dongle } from './dongle.ts'
import { watchClock } from './suspend.ts'

/** How often a silent dongle is asked whether it is still there, and how long it may take to answer, ms. */
const CHECK_EVERY_MS = 15_000
const CHECK_MS = 3000
/** Anybody can announce anything. */
const MOST_ANNOUNCED = 256

/** What an agent is given. */
export interface AgentOptions extends AttendantOptions {
  /** Ports that are watched whether USB knows of them or not. */
  ports: readonly string[]
  /** Starts to watch USB; calls back with all dongles' ports at each change. */
  watch(onChange: (ports: DonglePort[]) => void): { stop(): Promise<void>; refresh(): void }
  /** Looks for devices on the LAN until `signal` fires, where that is wanted. */
  browse?(onFound: (device: FoundDevice) => void, signal: AbortSignal): Promise<unknown>
}

/** Where a program wants to go; nothing named stands for the only device there is. */
export interface Destination {
  serial?: string | undefined
  path?: string | undefined
}

/** A running agent. */
export class HostAgent {
  readonly #options: AgentOptions
  readonly #dongles = new Map<string, Dongle>()
  readonly #attendant: Attendant
  readonly #watching: { stop(): Promise<void>; refresh(): void }
  readonly #clock: { stop(): void }
  readonly #checks: NodeJS.Timeout
  /** What announced itself on the LAN, by address. */
  readonly #announced = new Map<string, AgentDevice>()
  readonly #browsing = new AbortController()
  #stopped = false

  constructor(options: AgentOptions) {
    this.#options = options
    this.#attendant = new Attendant(options)
    for (const path of options.ports) this.#add(path, null)
    this.#watching = options.watch(ports => this.#plugged(ports))
    this.#clock = watchClock(ms => {
      options.tell(`this machine slept for about ${Math.round(ms / 1000)} s`)
      this.#watching.refresh()
      void this.#checkAll()
    })
    void options
      .browse?.(device => this.#found(device), this.#browsing.signal)
      .catch((error: Error) => options.tell(`the LAN cannot be looked at: ${error.message}`))
    this.#checks = setInterval(() => void this.#checkAll(), CHECK_EVERY_MS)
  }

  /** What it sees, in the order of the ports. */
  async list(): Promise<AgentDevice[]> {
    const dongles = [...this.#dongles.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
    const held = await Promise.all(dongles.map(dongle => dongle.describe()))
    return [...held, ...this.#announced.values()]
  }

  /** A fresh byte stream to a device. @throws ConnectionError `unreachable`, `device-mismatch` */
  async open({ serial, path }: Destination): Promise<Duplex> {
    const all = [...this.#dongles.values()]
    const fitting = all.filter(
      dongle =>
        (path === undefined || dongle.path === path) && (serial === undefined || fits(dongle, serial)),
    )
    // Anything can claim to be a device. What proved it goes first, and what failed to is used only to say so.
    fitting.sort((a, b) => rank(a) - rank(b))
    const [first, second] = fitting
    const isAmbiguous = second && serial === undefined && path === undefined
    if (first && !isAmbiguous) return first.open()
    if (isAmbiguous)
      throw new ConnectionError('unreachable', 'several dongles are plugged in', {
        hint: `name one: ${fitting.map(dongle => `usb:${dongle.serial ?? '?'}`).join(' or ')}`,
      })
    const what = serial ? `the dongle ${serial}` : path ? `the port ${path}` : 'no dongle'
    throw new ConnectionError(
      'unreachable',
      what === 'no dongle' ? 'no dongle is plugged in' : `${what} is not there`,
      {
        hint: 'plug it in, and wait half a minute until it has started; claviger status shows what is seen',
      },
    )
  }

  /** Frees every port. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#checks)
    this.#clock.stop()
    this.#browsing.abort()
    this.#attendant.stop()
    await Promise.all([this.#watching.stop(), ...[...this.#dongles.values()].map(dongle => dongle.close())])
    this.#dongles.clear()
  }

  #add(path: string, usbSerial: string | null): void {
    const { tell } = this.#options
    let failed = false
    const dongle = new Dongle(path, usbSerial, {
      onHello: (dongle, restarted) => {
        failed = false
        if (!this.#stopped) void this.#attendant.attend(dongle, restarted)
      },
      onFailure: dongle => {
        // a port is tried again and again; the first failure says it all
        if (failed || this.#stopped) return
        failed = true
        void dongle.describe().then(({ problem }) => problem && tell(problem))
      },
    })
    this.#dongles.set(path, dongle)
  }

  #plugged(ports: readonly DonglePort[]): void {
    if (this.#stopped) return
    const { tell } = this.#options
    const present = new Map(ports.map(port => [port.path, port.serial]))
    for (const [path, dongle] of this.#dongles) {
      if (this.#options.ports.includes(path)) continue
      // another dongle may have come to the port of one that is gone
      if (present.has(path) && present.get(path) === dongle.usbSerial) continue
      this.#dongles.delete(path)
      this.#attendant.gone(dongle)
      void dongle.close()
      tell(`${path}: unplugged`)
    }
    for (const [path, serial] of present) {
      if (this.#dongles.has(path)) continue
      tell(`${path}: plugged in, serial number ${serial ?? 'unknown'}`)
      this.#add(path, serial)
    }
  }

  /** Nothing of what is announced is proved; programs try it and check the device's key. */
  #found(device: FoundDevice): void {
    for (const path of lanAddresses(device.serial, [device])) {
      if (this.#announced.has(path)) continue
      if (this.#announced.size >= MOST_ANNOUNCED) this.#announced.delete(this.#announced.keys().next().value!)
      this.#announced.set(path, {
        path,
        serial: device.serial,
        state: null,
        enrolments: [],
        proved: null,
        greeting: null,
      })
      this.#options.tell(`${path}: a device announces itself as ${device.serial}`)
    }
  }

  async #checkAll(): Promise<void> {
    await Promise.all([...this.#dongles.values()].map(dongle => dongle.check(CHECK_MS)))
  }
}

function fits(dongle: Dongle, serial: string): boolean {
  return dongle.serial === serial
}

function rank({ proved }: Dongle): number {
  return proved === true ? 0 : proved === null ? 1 : 2
}
