/** The USB terminals that the Linux kernel knows, from `/sys/class/tty` (Documentation/ABI/testing/sysfs-bus-usb, sysfs-tty). */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ListedPort } from './ports.ts'

/** Terminals that hang on a USB interface: CDC-ACM, and adapters with a driver of their own. */
const USB_TERMINAL = /^tty(ACM|USB)\d{1,6}$/

/** From the terminal's device up to the USB device: interface, and for an adapter one port of it between. */
const LEVELS = 3

/**
 * Reads them.
 *
 * @param root - where sysfs is mounted
 * @returns `null` where there is no such directory
 */
export async function sysfsTerminals(root: string): Promise<ListedPort[] | null> {
  const directory = join(root, 'class/tty')
  const names = await readdir(directory).catch(() => null)
  if (names === null) return null
  const terminals = names.filter(name => USB_TERMINAL.test(name))
  const ports = await Promise.all(terminals.map(name => describe(join(directory, name), name)))
  return ports.filter(port => port !== null)
}

/** @returns `null` for a terminal that has just gone, or is not of a USB device */
async function describe(link: string, name: string): Promise<ListedPort | null> {
  let at = await realpath(join(link, 'device')).catch(() => null)
  for (let level = 0; at !== null && level < LEVELS; level++, at = dirname(at)) {
    const vendorId = await attribute(at, 'idVendor')
    if (vendorId === undefined) continue
    const [productId, serialNumber, manufacturer] = await Promise.all(
      ['idProduct', 'serial', 'manufacturer'].map(attributeName => attribute(at!, attributeName)),
    )
    return { path: `/dev/${name}`, vendorId, productId, serialNumber, manufacturer, locationId: basename(at) }
  }
  return null
}

/** @returns `undefined` for one that is not there */
async function attribute(device: string, name: string): Promise<string | undefined> {
  const text = await readFile(join(device, name), 'utf8').catch(() => undefined)
  return text?.trim()
}
