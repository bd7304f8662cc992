/**
 * The serial number that a device shows where it is not yet possible to prove anything: in its USB descriptor and in its
 * announcements on the LAN. It is a label to find the device by; who it is, only its key says (docs/formats/identity.md).
 */

const BYTES = 8

/** @returns 16 lower-case hexadecimal digits: the first 8 bytes of the pin, the SHA-256 of the device's public key */
export function deviceSerial(pin: Uint8Array): string {
  return Buffer.from(pin.subarray(0, BYTES)).toString('hex')
}

/** Whether a text can be a device's serial number. */
export function isDeviceSerial(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}
