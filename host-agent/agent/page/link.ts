/** One enrolment and the connection to its device, kept while somebody looks: its state is followed, and calls share it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { State } from '../../../protocol/api/routes.ts'
import type { Appliance } from '../../client/appliance.ts'
import { connectProfile } from '../../client/connect.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { Profile } from '../../client/profile.ts'
import type { Wire } from '../../client/wire.ts'
import { fileWitness } from '../../client/witness-file.ts'
import type { Purpose } from './api.ts'
import { purposesOf } from './purposes.ts'
import { type DeviceHolder, DONGLE, openWay, serialOf, waysTo } from './route.ts'

/** How long a call waits for a connection, and tries again over one that broke, ms. */
const PATIENCE_MS = 2000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000
/** How often it is looked whether a dongle was plugged in, ms. */
const LOOK_MS = 250
/** A connection that nobody used for so long is closed, ms. */
const IDLE_MS = 600_000

/** What an {@link EnrolmentLink} is given. */
export interface LinkOptions {
  directory: string
  holder: DeviceHolder
  /** Something of what is shown changed. */
  onChange(): void
}

/** See the head of this file. */
export class EnrolmentLink {
  readonly profile: Profile
  readonly serial: string
  readonly #options: LinkOptions
  readonly #ending = new AbortController()
  /** What is known while it answers. */
  state: State | null = null
  wire: 'usb' | 'lan' | null = null
  touches = 0
  purposes: Purpose[] | null = null
  /** Why it does not answer. */
  fault: ClavigerError | null = null
  #appliance: Appliance | null = null
  #used = 0
  #running: Promise<void> | null = null
  /** Called at each change. */
  readonly #waiting = new Set<() => void>()

  constructor(profile: Profile, options: LinkOptions) {
    this.profile = profile
    this.serial = serialOf(profile)
    this.#options = options
  }

  /** Somebody looks: it is connected to, and stays so for a while. */
  use(): void {
    this.#used = performance.now()
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  /** Resolves when it answered or failed to, at the latest after `ms`. */
  async settled(ms: number): Promise<void> {
    await this.#until(() => this.state !== null || this.fault !== null, ms)
  }

  /** The connected device. @throws ClavigerError why there is none */
  async appliance(): Promise<Appliance> {
    this.use()
    await this.#until(() => this.#appliance !== null && this.state !== null, PATIENCE_MS)
    if (this.#appliance) return this.#appliance
    throw this.fault ?? new ConnectionError('unreachable', `the device ${this.serial} does not answer`)
  }

  /** Asks anew what may be opened, since a budget was used. */
  async refreshPurposes(): Promise<void> {
    const appliance = this.#appliance
    if (this.profile.role !== 'operator') return
    const purposes =
      appliance && this.state === 'operational' ? await purposesOf(appliance).catch(() => null) : null
    // another connection may have come in between
    if (appliance !== this.#appliance) return
    this.purposes = purposes
    this.#changed()
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  get #isWanted(): boolean {
    return !this.#ending.signal.aborted && performance.now() - this.#used < IDLE_MS
  }

  async #run(): Promise<void> {
    let pause = FIRST_PAUSE_MS
    while (this.#isWanted) {
      const began = performance.now()
      let ways: string[] = []
      try {
        ways = waysTo(this.profile, await this.#options.holder.list())
        await this.#follow(ways)
        if (performance.now() - began > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS
      } catch (error) {
        this.#lost(error)
      }
      await this.#rest(pause, ways.includes(DONGLE))
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
    this.#lost(null)
  }

  /** Connects, and returns when the connection is lost or not wanted any more. */
  async #follow(ways: readonly string[]): Promise<void> {
    const { directory, holder } = this.#options
    const lost = new AbortController()
    let streams = 0
    const counted = (wire: Wire): Wire => ({
      ...wire,
      open: async () => {
        const stream = await wire.open()
        streams++
        stream.once('close', () => {
          streams--
          // the watch has one of its own, so without any there is nobody at the other end
          if (streams === 0 && this.state !== null) lost.abort()
        })
        return stream
      },
    })
    const appliance = await connectProfile(
      { ...this.profile, addresses: [...ways] },
      {
        witness: fileWitness(directory, this.profile.name),
        patience: { retryFor: PATIENCE_MS },
        open: async address => counted(await openWay(address, this.serial, holder)),
      },
    )
    const idle = setInterval(() => !this.#isWanted && lost.abort(), LOOK_MS * 4)
    try {
      this.#appliance = appliance
      this.wire = appliance.address.startsWith('usb:') ? 'usb' : 'lan'
      await appliance.watchAll(
        {
          onState: state => {
            this.state = state
            this.fault = null
            this.touches = 0
            this.purposes = null
            this.#changed()
            void this.refreshPurposes()
          },
          onTouch: count => {
            this.touches = count
            this.#changed()
          },
        },
        AbortSignal.any([lost.signal, this.#ending.signal]),
      )
      this.#lost(
        this.#ending.signal.aborted
          ? null
          : new ConnectionError('unreachable', `the connection to the device ${this.serial} was lost`),
      )
    } finally {
      clearInterval(idle)
      this.#appliance = null
      await appliance.close()
    }
  }

  #lost(error: unknown): void {
    // also what the disk says: one enrolment's trouble must not end the others
    const fault =
      error === null || error instanceof ClavigerError
        ? error
        : new ClavigerError('internal', (error as Error).message)
    this.state = null
    this.wire = null
    this.purposes = null
    this.touches = 0
    this.fault = fault
    this.#appliance = null
    this.#changed()
  }

  /** Waits, but not for a dongle that is plugged in meanwhile. */
  async #rest(ms: number, hadDongle: boolean): Promise<void> {
    const end = performance.now() + ms
    while (this.#isWanted && performance.now() < end) {
      await sleep(LOOK_MS, undefined, { signal: this.#ending.signal }).catch(() => {})
      if (hadDongle) continue
      const isThere = await this.#options.holder
        .list()
        .then(devices => waysTo(this.profile, devices).includes(DONGLE))
        .catch(() => false)
      if (isThere) return
    }
  }

  #changed(): void {
    for (const look of this.#waiting) look()
    this.#options.onChange()
  }

  /** Resolves when `holds`, or after `ms`. */
  #until(holds: () => boolean, ms: number): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve()
      }
      const look = () => holds() && done()
      const timer = setTimeout(done, ms)
      this.#waiting.add(look)
    })
  }
}
