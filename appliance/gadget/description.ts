/**
 * What the dongle says of itself to the host that it is plugged into, as directories, attributes and links of the kernel's
 * configfs (Documentation/usb/gadget_configfs). docs/decisions/gadget-line.md.
 */
import { USB_STRINGS, type UsbIds } from '../../protocol/link/usb-identity.ts'

/** One thing that has to be there. Paths are from the gadget's own directory. */
export type Item =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'attribute'; readonly path: string; readonly value: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

/** What is not the same for every dongle. */
export interface Description {
  readonly ids: UsbIds
  /** See `deviceSerial`. */
  readonly serialNumber: string
  /** Of this software, `major.minor.patch`. */
  readonly version: string
}

/** The function: one serial line, CDC-ACM. */
export const FUNCTION = 'functions/acm.line'
/** Holds the number N of the function's terminal, `/dev/ttyGSN`. */
export const PORT_NUMBER = `${FUNCTION}/port_num`
/** Names the controller that the gadget is bound to; empty when none. */
export const CONTROLLER = 'UDC'

const CONFIG = 'configs/c.1'
const ENGLISH = 'strings/0x409'

/**
 * Everything that makes the gadget, in the order in which it can be made. The controller is not in it: it comes last, when
 * the terminal is ready for its first byte.
 */
export function gadgetItems({ ids, serialNumber, version }: Description): Item[] {
  const directory = (path: string): Item => ({ kind: 'directory', path })
  const attribute = (path: string, value: string): Item => ({ kind: 'attribute', path, value })
  return [
    directory('.'),
    attribute('idVendor', hex(ids.vendorId, 4)),
    attribute('idProduct', hex(ids.productId, 4)),
    attribute('bcdDevice', hex(bcdDevice(version), 4)),
    attribute('bcdUSB', '0x0200'),
    // The kernel's ACM function has two interfaces and an association descriptor. Windows reads that only of a device of
    // this class, and then finds its own driver; macOS and Linux go by the interfaces.
    attribute('bDeviceClass', '0xef'),
    attribute('bDeviceSubClass', '0x02'),
    attribute('bDeviceProtocol', '0x01'),
    directory(ENGLISH),
    attribute(`${ENGLISH}/manufacturer`, USB_STRINGS.manufacturer),
    attribute(`${ENGLISH}/product`, USB_STRINGS.product),
    attribute(`${ENGLISH}/serialnumber`, serialNumber),
    directory(FUNCTION),
    directory(CONFIG),
    // powered by the bus; a Pi that starts takes all that a port of USB 2 gives
    attribute(`${CONFIG}/bmAttributes`, '0x80'),
    attribute(`${CONFIG}/MaxPower`, '500'),
    directory(`${CONFIG}/${ENGLISH}`),
    attribute(`${CONFIG}/${ENGLISH}/configuration`, 'serial line'),
    { kind: 'link', path: `${CONFIG}/acm.line`, target: FUNCTION },
  ]
}

/** Binary coded decimal: two digits of the major version, one of the minor, one of the patch; 9 stands for more. */
export function bcdDevice(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number)
  const digit = (value: number, most = 9) => Math.min(Number.isInteger(value) ? value : 0, most)
  const whole = digit(major, 99)
  return (Math.trunc(whole / 10) << 12) | ((whole % 10) << 8) | (digit(minor) << 4) | digit(patch)
}

const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`
