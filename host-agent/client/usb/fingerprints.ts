/**
 * Which USB devices are dongles: a table of vendor and product. It only says what is worth a greeting; who a device is,
 * its key says (docs/formats/identity.md). docs/decisions/usb-ids.md.
 */
import { parseUsbIds, TEST_USB_IDS, type UsbIds } from '../../../protocol/link/usb-identity.ts'

/** The ids that a host looks for. */
export type Fingerprints = readonly UsbIds[]

/** What is looked for where nothing else is configured. */
export const DEFAULT_FINGERPRINTS: Fingerprints = [TEST_USB_IDS]

/** A device as serialport's list (hexadecimal text) or the package `usb` (numbers) describes it. */
export interface Described {
  readonly vendorId?: string | number | undefined
  readonly productId?: string | number | undefined
}

/**
 * The ids of a described device.
 *
 * @returns `null` where it has none, as terminals that are not USB
 */
export function usbIdsOf({ vendorId, productId }: Described): UsbIds | null {
  const vendor = idOf(vendorId)
  const product = idOf(productId)
  return vendor === null || product === null ? null : { vendorId: vendor, productId: product }
}

/** Whether a device is one of those that are looked for. */
export function isDongle(device: Described, fingerprints: Fingerprints): boolean {
  const ids = usbIdsOf(device)
  if (ids === null) return false
  return fingerprints.some(
    ({ vendorId, productId }) => vendorId === ids.vendorId && productId === ids.productId,
  )
}

/**
 * Reads a table from its texts, each `vvvv:pppp`.
 *
 * @returns the table without doublets, or the first text that is none of ids
 */
export function parseFingerprints(texts: readonly string[]): Fingerprints | { bad: string } {
  const found = new Map<number, UsbIds>()
  for (const text of texts) {
    const ids = parseUsbIds(text)
    if (ids === null) return { bad: text }
    found.set(ids.vendorId * 0x1_0000 + ids.productId, ids)
  }
  return [...found.values()]
}

/** Windows writes hexadecimal digits large, Linux and macOS small, some drivers with `0x`. */
function idOf(id: string | number | undefined): number | null {
  if (typeof id === 'number') return Number.isInteger(id) && id >= 0 && id <= 0xffff ? id : null
  return id !== undefined && /^(0x)?[0-9a-f]{1,4}$/i.test(id) ? Number.parseInt(id, 16) : null
}
