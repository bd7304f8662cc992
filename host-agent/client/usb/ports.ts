/**
 * The terminals of dongles that are plugged in, on Linux, macOS and Windows. docs/formats/link.md §7.
 *
 * On Linux they are read from sysfs: it is right the moment the kernel has made the terminal, also where no udev runs, and a
 * look costs no process. Elsewhere, and where there is no sysfs, serialport lists them.
 */
import { isDeviceSerial } from '../../../protocol/identity/device-serial.ts'
import type { UsbIds } from '../../../protocol/link/usb-identity.ts'
import { type Fingerprints, isDongle, usbIdsOf } from './fingerprints.ts'
import { sysfsTerminals } from './sysfs.ts'
import { plainText } from './text.ts'

/** The terminal of a dongle. */
export interface DonglePort {
  /** What to open: `/dev/ttyACM0`, `/dev/cu.usbmodem1101`, `COM10`. */
  path: string
  /** What the device calls itself (`deviceSerial` of its pin), or `null` where the system does not tell. Nothing is proved. */
  serial: string | null
  ids: UsbIds
  /** As the device says, made printable. */
  manufacturer?: string
  /** The socket it is in, as the system names it: `1-2.4`, `14100000`, `Port_#0002.Hub_#0001`. */
  location?: string
}

/** A terminal as `SerialPort.list()` describes it. */
export interface ListedPort {
  readonly path: string
  readonly vendorId?: string | undefined
  readonly productId?: string | undefined
  readonly serialNumber?: string | undefined
  readonly manufacturer?: string | undefined
  readonly locationId?: string | undefined
  readonly pnpId?: string | undefined
}

/** Where terminals are looked for; the real ones of this machine by default. */
export interface PortSources {
  readonly platform?: NodeJS.Platform
  /** Where sysfs is mounted. */
  readonly sysfs?: string
  /** serialport's list. */
  list?(): Promise<readonly ListedPort[]>
}

/**
 * The dongles that are plugged in now, sorted by path.
 *
 * @throws the error of serialport's list, where that has to be asked
 */
export async function listDongles(
  fingerprints: Fingerprints,
  { platform = process.platform, sysfs = '/sys', list = listWithSerialport }: PortSources = {},
): Promise<DonglePort[]> {
  const seen = platform === 'linux' ? await sysfsTerminals(sysfs) : null
  return donglesAmong(seen ?? (await list()), fingerprints, platform)
}

/** The package brings a native module: it is loaded by those who look for a port. */
async function listWithSerialport(): Promise<readonly ListedPort[]> {
  return (await import('serialport')).SerialPort.list()
}

/** Picks the dongles from a list of all terminals. */
export function donglesAmong(
  listed: readonly ListedPort[],
  fingerprints: Fingerprints,
  platform: NodeJS.Platform,
): DonglePort[] {
  const found = new Map<string, DonglePort>()
  for (const port of listed) {
    if (!isDongle(port, fingerprints) || typeof port.path !== 'string' || port.path === '') continue
    const path = openablePath(port.path, platform)
    const manufacturer = plainText(port.manufacturer ?? '', 64)
    const location = plainText(port.locationId ?? '', 64)
    found.set(path, {
      path,
      serial: serialOf(port.serialNumber),
      ids: usbIdsOf(port)!,
      ...(manufacturer ? { manufacturer } : {}),
      ...(location ? { location } : {}),
    })
  }
  return [...found.values()].sort((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }))
}

/**
 * Reads a serial number. Windows may write it large, and for a device of several functions gives the name of a function
 * (`7&2A1B&0&0000`) instead.
 */
export function serialOf(told: string | null | undefined): string | null {
  const serial = told?.trim().toLowerCase() ?? ''
  return isDeviceSerial(serial) ? serial : null
}

/**
 * macOS lists the side of a terminal that waits for a carrier when it is opened (`/dev/tty.…`); the other one does not. A COM
 * port stays as it is, also from COM10 on: serialport itself opens it as `\\.\COM10`, and a second prefix would be wrong.
 */
function openablePath(path: string, platform: NodeJS.Platform): string {
  return platform === 'darwin' ? path.replace(/^\/dev\/tty\./, '/dev/cu.') : path
}
