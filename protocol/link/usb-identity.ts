/** What a dongle says of itself when it is plugged in, and what a host looks for. docs/formats/link.md §7. */

/** Vendor and product of a USB device, 16 bits each. */
export interface UsbIds {
  readonly vendorId: number
  readonly productId: number
}

/** pid.codes keeps 1209:0001 for tests: a device that is sold or given away needs ids of its own, so both ends take others. */
export const TEST_USB_IDS: UsbIds = { vendorId: 0x1209, productId: 0x0001 }

/** Manufacturer and product, as a person reads them in a list of devices. */
export const USB_STRINGS = { manufacturer: 'Claviger', product: 'Claviger key' } as const

/**
 * Reads `vvvv:pppp`, each four hexadecimal digits.
 *
 * @returns `null` for any other text
 */
export function parseUsbIds(text: string): UsbIds | null {
  const found = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(text)
  return found && { vendorId: Number.parseInt(found[1]!, 16), productId: Number.parseInt(found[2]!, 16) }
}

/** Writes what {@link parseUsbIds} reads. */
export function formatUsbIds({ vendorId, productId }: UsbIds): string {
  return [vendorId, productId].map(id => id.toString(16).padStart(4, '0')).join(':')
}
