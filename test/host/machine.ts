/** A machine whose USB bus, terminals and time belong to the test. */
import { setImmediate } from 'node:timers/promises'
import type { Bus, BusDevice, BusListener, UsbWatchOptions } from '../../host-agent/agent/hotplug.ts'
import type { DonglePort } from '../../host-agent/client/usb/ports.ts'
import type { Timers } from '../../protocol/link/timers.ts'
import { IDS } from './recorded.ts'

interface Timer {
  at: number
  callback: () => void
}

/** Time that goes on only when it is told to, and lets everything else happen in between. */
export class FakeTime implements Timers {
  now = 0
  readonly waiting = new Set<Timer>()

  setTimeout(callback: () => void, ms: number): Timer {
    const timer = { at: this.now + ms, callback }
    this.waiting.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.waiting.delete(timer as Timer)
  }

  async advance(ms: number): Promise<void> {
    const until = this.now + ms
    for (;;) {
      await settle()
      const [next] = [...this.waiting].sort((a, b) => a.at - b.at)
      if (!next || next.at > until) break
      this.waiting.delete(next)
      this.now = Math.max(this.now, next.at)
      next.callback()
    }
    this.now = until
  }
}

/** Lets promises that wait for nothing settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 6; i++) await setImmediate()
}

/** What a test does to a machine. */
export class Machine {
  readonly time = new FakeTime()
  hasBus = true
  /** Whether events reach anybody. */
  deaf = false
  listFailure: Error | null = null
  readonly devices = new Map<string, BusDevice>()
  readonly ports = new Map<string, DonglePort>()
  readonly listeners = new Set<string>()
  /** Fake times at which the terminals were listed. */
  readonly lists: number[] = []
  /** Most lists that were under way at one time. */
  mostAtOnce = 0
  #atOnce = 0
  readonly #listeners = { connect: new Set<BusListener>(), disconnect: new Set<BusListener>() }

  /** Options for a watch that sees this machine. */
  get watched(): Pick<UsbWatchOptions, 'fingerprints' | 'list' | 'bus' | 'timers'> {
    return {
      fingerprints: [IDS],
      timers: this.time,
      list: async () => {
        this.lists.push(this.time.now)
        this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce)
        await setImmediate()
        this.#atOnce--
        if (this.listFailure) throw this.listFailure
        return [...this.ports.values()].sort((a, b) => a.path.localeCompare(b.path))
      },
      bus: async () => this.#bus,
    }
  }

  readonly #bus: Bus = {
    getDevices: async () => {
      if (!this.hasBus) throw new Error('no bus')
      return [...this.devices.values()]
    },
    addEventListener: (type, listener) => {
      this.#listeners[type].add(listener)
      this.listeners.add(type)
    },
    removeEventListener: (type, listener) => {
      this.#listeners[type].delete(listener)
      if (this.#listeners[type].size === 0) this.listeners.delete(type)
    },
  }

  #tell(type: 'connect' | 'disconnect', device: BusDevice): void {
    if (!this.deaf) for (const listener of this.#listeners[type]) listener({ device })
  }

  /**
   * Plugs a dongle in.
   *
   * @param terminalAfter - ms until it has a terminal; `null` for never
   */
  plug(serial: string, path: string, terminalAfter: number | null, ids = IDS): void {
    const device = { ...ids, serialNumber: serial }
    this.devices.set(serial, device)
    const appear = () => {
      if (this.devices.get(serial) === device) this.ports.set(serial, { path, serial, ids })
    }
    if (terminalAfter === 0) appear()
    else if (terminalAfter !== null) this.time.setTimeout(appear, terminalAfter)
    this.#tell('connect', device)
  }

  unplug(serial: string): void {
    const device = this.devices.get(serial)
    this.devices.delete(serial)
    this.ports.delete(serial)
    if (device) this.#tell('disconnect', device)
  }
}
