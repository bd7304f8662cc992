/**
 * Tells which dongles are plugged in, at each change. docs/formats/link.md §7.
 *
 * An event of the USB bus says that something changed, and the list of terminals says what: a terminal appears a moment after
 * its device, so the list is read again until both agree. Events can be lost, over a suspend for one, so the list is also
 * read now and then without one; where there is no bus to hear of, often.
 */

import { holdingTimers, type Timers } from '../../protocol/link/timers.ts'
import { type Fingerprints, isDongle } from '../client/usb/fingerprints.ts'
import { type DonglePort, listDongles, serialOf } from '../client/usb/ports.ts'

/** What is used of a device of the package `usb`. */
export interface BusDevice {
  readonly vendorId: number
  readonly productId: number
  readonly serialNumber?: string | null | undefined
}

/** What is used of the package `usb` (the WebUSB interface). */
export interface Bus {
  /** @throws where the system has no USB */
  getDevices(): Promise<readonly BusDevice[]>
  addEventListener(type: 'connect' | 'disconnect', listener: BusListener): void
  removeEventListener(type: 'connect' | 'disconnect', listener: BusListener): void
}

export type BusListener = (event: { readonly device: BusDevice }) => void

/** What to watch for; everything that touches the machine has a default. */
export interface UsbWatchOptions {
  readonly fingerprints: Fingerprints
  /**
   * Hears the dongles: at the start, whenever they are others, and whenever one was plugged in, even if it got the name it
   * had before.
   */
  onChange(ports: DonglePort[]): void
  /** Hears why the terminals could not be listed, once until they can be again. */
  onFailure?(error: Error): void
  list?(): Promise<DonglePort[]>
  /** Loads the package `usb`. */
  bus?(): Promise<Bus>
  /** By default they keep the process alive until the watch is stopped. */
  readonly timers?: Timers
}

/** A watch that is going on. */
export interface UsbWatch {
  /** Ends it; afterwards nothing of it keeps the process alive. Never rejects. */
  stop(): Promise<void>
  /** Looks again now, as after an event: for a port that failed to open, or a host that woke up. */
  refresh(): void
}

/** When it is looked again until bus and terminals agree, ms after the event. */
const LOOKS = [30, 60, 90, 120, 180, 250, 350, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000] as const

/** Between looks without an event, ms: beside a bus that tells of events, and without one. */
export const SLOW_MS = 5000
export const POLL_MS = 1000

/** Starts to watch. */
export function watchUsb(options: UsbWatchOptions): UsbWatch {
  const { fingerprints, list = () => listDongles(fingerprints), timers = holdingTimers } = options
  const { bus: loadBus = realBus } = options
  let stopped = false
  let bus: Bus | null = null
  let told: string | null = null
  let failing = false
  /** Whether somebody asked for a look, and whether a dongle was plugged in since the last one. */
  let asked = true
  let plugged = false
  let interrupt = () => {}

  const onEvent =
    (isConnect: boolean): BusListener =>
    ({ device }) => {
      if (!isDongle(device, fingerprints)) return
      plugged ||= isConnect
      refresh()
    }
  const listeners = { connect: onEvent(true), disconnect: onEvent(false) }

  function refresh(): void {
    asked = true
    interrupt()
  }

  /** Ends early when somebody asks for a look. */
  const pause = (ms: number) =>
    new Promise<void>(resolve => {
      if (stopped || asked) {
        resolve()
        return
      }
      const timer = timers.setTimeout(resolve, ms)
      interrupt = () => {
        timers.clearTimeout(timer)
        resolve()
      }
    })

  /** The dongles on the bus, or `null` where nobody can say. */
  async function onBus(): Promise<BusDevice[] | null> {
    try {
      const candidate = bus ?? (await loadBus())
      // asked before it is listened to: without a bus, listening ends the process with an error that nobody can catch
      const devices = await candidate.getDevices()
      if (bus === null && !stopped) {
        bus = candidate
        for (const type of ['connect', 'disconnect'] as const) bus.addEventListener(type, listeners[type])
        // what happened before the listeners were there is in no event
        return onBus()
      }
      return devices.filter(device => isDongle(device, fingerprints))
    } catch {
      return null
    }
  }

  /** @returns whether there is nothing to wait for */
  async function look(): Promise<boolean> {
    const devices = await onBus()
    let ports: DonglePort[]
    try {
      ports = await list()
    } catch (error) {
      if (!failing && !stopped) options.onFailure?.(error as Error)
      failing = true
      return false
    }
    failing = false
    const agreed = devices === null || agree(devices, ports)
    tell(ports, agreed)
    return agreed
  }

  function tell(ports: DonglePort[], agreed: boolean): void {
    const now = JSON.stringify(ports)
    if (stopped || (now === told && !(plugged && agreed))) return
    told = now
    if (agreed) plugged = false
    options.onChange(ports)
  }

  async function run(): Promise<void> {
    while (!stopped) {
      // Only an event is worth waiting for: a device that never gets a terminal would keep the slow look busy.
      const looks = asked ? LOOKS : []
      asked = false
      let settled = await look()
      for (let at = 0; !settled && !asked && at < looks.length; at++) {
        await pause(looks[at]! - (looks[at - 1] ?? 0))
        if (stopped) return
        if (!asked) settled = await look()
      }
      await pause(bus === null ? POLL_MS : SLOW_MS)
    }
  }

  const running = run()
  return {
    refresh,
    async stop() {
      stopped = true
      interrupt()
      await running
      for (const type of ['connect', 'disconnect'] as const) bus?.removeEventListener(type, listeners[type])
      bus = null
    },
  }
}

/** Whether each dongle on the bus has a terminal, and each terminal a dongle. */
function agree(devices: readonly BusDevice[], ports: readonly DonglePort[]): boolean {
  const onBus = devices.map(device => serialOf(device.serialNumber)).sort()
  const listed = ports.map(port => port.serial).sort()
  // not every system tells the serial number in both places: then their number has to do
  const comparable = !onBus.includes(null) && !listed.includes(null)
  return onBus.length === listed.length && (!comparable || onBus.join() === listed.join())
}

/** The package has a native module: a machine for which there is none is watched by looking. */
async function realBus(): Promise<Bus> {
  return (await import('usb')).usb
}
