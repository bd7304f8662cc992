/** The device's fingerprint, as people compare it: the pin of its key (docs/formats/identity.md) in groups of digits. */

const GROUP = 4

/**
 * @param pin 32 bytes
 * @returns 16 groups of four hexadecimal digits; the first four groups are the serial number that `claviger status` shows
 */
export function fingerprintGroups(pin: Uint8Array): string[] {
  const digits = Buffer.from(pin).toString('hex')
  return Array.from({ length: digits.length / GROUP }, (_, i) => digits.slice(i * GROUP, (i + 1) * GROUP))
}

/** In one line. */
export function formatFingerprint(pin: Uint8Array): string {
  return fingerprintGroups(pin).join(' ')
}
