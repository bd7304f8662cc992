/**
 * The udev rule for dongles (udev(7)): who sits at the machine may open them, ModemManager leaves them alone, and each has a
 * name that does not change. docs/plug-it-in.md, docs/decisions/usb-ids.md.
 *
 * `node host-agent/integration/udev.ts 1209:0001` prints the rule for other ids than the default ones.
 */
import { formatUsbIds, parseUsbIds, type UsbIds } from '../../protocol/link/usb-identity.ts'

/** Before 73-seat-late.rules, which turns the tag `uaccess` into an access right, and after 60-serial.rules. */
export const UDEV_RULE_NAME = '70-claviger.rules'

/** A serial number as docs/formats/identity.md has it. The pattern keeps a device's own text out of a path. */
const SERIAL = '[0-9a-f]'.repeat(16)

/**
 * Writes the rule.
 *
 * @param fingerprints - ids of the USB devices that are dongles
 */
export function udevRule(fingerprints: readonly UsbIds[]): string {
  return [
    '# Claviger dongles: docs/plug-it-in.md. Put this file into /etc/udev/rules.d, then: udevadm control --reload',
    'ACTION=="remove", GOTO="claviger_end"',
    'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="claviger_device"',
    'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", GOTO="claviger_terminal"',
    'GOTO="claviger_end"',
    '',
    'LABEL="claviger_device"',
    ...fingerprints.map(ids => `${match('ATTR', ids)}, ENV{ID_MM_DEVICE_IGNORE}="1"`),
    'GOTO="claviger_end"',
    '',
    'LABEL="claviger_terminal"',
    ...fingerprints.flatMap(ids => [
      `${match('ATTRS', ids)}, TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"`,
      `${match('ATTRS', ids)}, ATTRS{serial}=="${SERIAL}", SYMLINK+="claviger/%s{serial}"`,
    ]),
    '',
    'LABEL="claviger_end"',
    '',
  ].join('\n')
}

function match(key: 'ATTR' | 'ATTRS', ids: UsbIds): string {
  const [vendor, product] = formatUsbIds(ids).split(':')
  return `${key}{idVendor}=="${vendor}", ${key}{idProduct}=="${product}"`
}

if (import.meta.main) {
  const fingerprints = process.argv.slice(2).map(parseUsbIds)
  if (fingerprints.length === 0 || fingerprints.includes(null)) {
    process.stderr.write('usage: node host-agent/integration/udev.ts VVVV:PPPP…\n')
    process.exitCode = 2
  } else process.stdout.write(udevRule(fingerprints.filter(ids => ids !== null)))
}
