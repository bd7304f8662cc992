/**
 * Port lists as serialport 13 gives them on the three systems, with other devices in between. Their shapes are those of its
 * sources (linux-list, serialport_win.cpp, darwin_list.cpp); only Linux was also seen on a real machine.
 */
import type { ListedPort } from '../../host-agent/client/usb/ports.ts'

/** Serial numbers of two dongles. */
export const ONE = '0a1b2c3d4e5f6071'
export const TWO = 'fedcba9876543210'

/** Ids as the test dongle has them. */
export const IDS = { vendorId: 0x1209, productId: 0x0001 }

const nothing = {
  manufacturer: undefined,
  serialNumber: undefined,
  pnpId: undefined,
  locationId: undefined,
  vendorId: undefined,
  productId: undefined,
}

/** `udevadm info -e`, read by serialport. */
export const LINUX: readonly ListedPort[] = [
  { ...nothing, path: '/dev/ttyS0' },
  { ...nothing, path: '/dev/ttyS1' },
  {
    path: '/dev/ttyACM0',
    manufacturer: 'Arduino (www.arduino.cc)',
    serialNumber: '75735303231351E0A1B2',
    pnpId: 'usb-Arduino__www.arduino.cc__0043_75735303231351E0A1B2-if00',
    locationId: undefined,
    vendorId: '2341',
    productId: '0043',
  },
  {
    path: '/dev/ttyACM10',
    manufacturer: 'Claviger',
    serialNumber: TWO,
    pnpId: `usb-Claviger_Claviger_key_${TWO}-if00`,
    locationId: undefined,
    vendorId: '1209',
    productId: '0001',
  },
  {
    path: '/dev/ttyACM2',
    manufacturer: 'Claviger',
    serialNumber: ONE,
    pnpId: `usb-Claviger_Claviger_key_${ONE}-if00`,
    locationId: undefined,
    vendorId: '1209',
    productId: '0001',
  },
  {
    // same vendor, another of its many products
    path: '/dev/ttyACM3',
    manufacturer: 'InterBiometrics',
    serialNumber: undefined,
    pnpId: 'usb-InterBiometrics_Hub-if02',
    locationId: undefined,
    vendorId: '1209',
    productId: '1001',
  },
  {
    path: '/dev/ttyUSB0',
    manufacturer: 'Sierra Wireless, Incorporated',
    serialNumber: undefined,
    pnpId: 'usb-Sierra_Wireless__Incorporated_EM7455-if03-port0',
    locationId: undefined,
    vendorId: '1199',
    productId: '9079',
  },
]

/** SetupDi and the registry: large digits; the second dongle behind a hub, as a function of a composite device. */
export const WINDOWS: readonly (ListedPort & { friendlyName?: string })[] = [
  {
    path: 'COM1',
    manufacturer: '(Standard port types)',
    pnpId: 'ACPI\\PNP0501\\1',
    locationId: undefined,
    friendlyName: 'Communications Port (COM1)',
    vendorId: undefined,
    productId: undefined,
    serialNumber: undefined,
  },
  {
    path: 'COM10',
    manufacturer: 'Microsoft',
    serialNumber: ONE.toUpperCase(),
    pnpId: `USB\\VID_1209&PID_0001\\${ONE.toUpperCase()}`,
    locationId: 'Port_#0002.Hub_#0001',
    friendlyName: 'USB Serial Device (COM10)',
    vendorId: '1209',
    productId: '0001',
  },
  {
    path: 'COM3',
    manufacturer: 'FTDI',
    serialNumber: 'A50285BI',
    pnpId: 'FTDIBUS\\VID_0403+PID_6001+A50285BIA\\0000',
    locationId: undefined,
    friendlyName: 'USB Serial Port (COM3)',
    vendorId: '0403',
    productId: '6001',
  },
  {
    path: 'COM7',
    manufacturer: 'Microsoft',
    serialNumber: '7&2a7c3f41&0&0000',
    pnpId: 'USB\\VID_1209&PID_0001&MI_00\\7&2A7C3F41&0&0000',
    locationId: '0000.0014.0000.002.004.000.000.000.000',
    friendlyName: 'USB Serial Device (COM7)',
    vendorId: '1209',
    productId: '0001',
  },
]

/** IOKit: the listening side of each terminal. */
export const MACOS: readonly ListedPort[] = [
  { ...nothing, path: '/dev/tty.Bluetooth-Incoming-Port' },
  { ...nothing, path: '/dev/tty.debug-console' },
  {
    path: '/dev/tty.usbmodem1101',
    manufacturer: 'Claviger',
    serialNumber: ONE,
    pnpId: undefined,
    locationId: '01100000',
    vendorId: '1209',
    productId: '0001',
  },
  {
    path: '/dev/tty.usbmodem14201',
    manufacturer: 'Arduino (www.arduino.cc)',
    serialNumber: '75735303231351E0A1B2',
    pnpId: undefined,
    locationId: '14200000',
    vendorId: '2341',
    productId: '0043',
  },
  {
    path: '/dev/tty.usbserial-A50285BI',
    manufacturer: 'FTDI',
    serialNumber: 'A50285BI',
    pnpId: undefined,
    locationId: '14300000',
    vendorId: '0403',
    productId: '6001',
  },
]
