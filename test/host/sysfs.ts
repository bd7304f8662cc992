/** A tree as the Linux kernel shows USB devices and their terminals under `/sys`, links and all. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { ONE, TWO } from './recorded.ts'

/** A USB device with one terminal. */
export interface SysfsDevice {
  /** `ttyACM0`; for an adapter (`ttyUSB0`) there is one more directory between. */
  terminal: string
  /** Bus and sockets: `1-2.4`. */
  place: string
  idVendor: string
  idProduct: string
  serial?: string
  manufacturer?: string
}

/** Two dongles, an Arduino and a modem. */
export const DEVICES: readonly SysfsDevice[] = [
  {
    terminal: 'ttyACM2',
    place: '1-2.4',
    idVendor: '1209',
    idProduct: '0001',
    serial: ONE,
    manufacturer: 'Claviger',
  },
  { terminal: 'ttyACM10', place: '3-1', idVendor: '1209', idProduct: '0001', serial: TWO },
  { terminal: 'ttyACM0', place: '1-1', idVendor: '2341', idProduct: '0043', serial: '75735303231351E0A1B2' },
  {
    terminal: 'ttyUSB0',
    place: '1-2.3',
    idVendor: '1199',
    idProduct: '9079',
    manufacturer: 'Sierra Wireless, Incorporated',
  },
]

/** The tree below `root`. */
export class Sysfs {
  readonly root: string
  #devnum = 1

  constructor(root: string, devices: readonly SysfsDevice[] = []) {
    this.root = root
    for (const directory of ['class/tty', 'bus/usb/devices', 'devices/virtual/tty/console'])
      mkdirSync(join(root, directory), { recursive: true })
    this.#link('class/tty/console', 'devices/virtual/tty/console')
    for (const device of devices) {
      this.addDevice(device)
      this.addTerminal(device)
    }
  }

  /** Path of a device from the root. A root hub has ids too, which are not those of what is plugged into it. */
  pathOf({ place }: SysfsDevice): string {
    return `devices/pci0000:00/0000:00:14.0/usb${place[0]}/${place}`
  }

  /** Path of its terminal. */
  terminalOf(device: SysfsDevice): string {
    return join(this.#holderOf(device), 'tty', device.terminal)
  }

  #holderOf(device: SysfsDevice): string {
    const { place, terminal } = device
    return join(this.pathOf(device), `${place}:1.0`, terminal.startsWith('ttyUSB') ? terminal : '')
  }

  /** The device as it is before a driver has taken it. */
  addDevice(device: SysfsDevice): void {
    const { terminal, place, ...texts } = device
    const path = this.pathOf(device)
    this.#write(join(path, '..'), { idVendor: '1d6b', idProduct: '0002', serial: '0000:00:14.0' })
    const devnum = ++this.#devnum
    const minor = (Number(place[0]) - 1) * 128 + devnum - 1
    this.#write(path, {
      ...texts,
      busnum: place[0]!,
      devnum: String(devnum),
      devpath: place.slice(2),
      version: ' 2.00',
      bcdDevice: '0100',
      bDeviceClass: '02',
      bDeviceSubClass: '00',
      bDeviceProtocol: '00',
      uevent: `MAJOR=189\nMINOR=${minor}\nDEVNAME=bus/usb/00${place[0]}/${String(devnum).padStart(3, '0')}\nDEVTYPE=usb_device`,
    })
    this.#link(join(path, 'subsystem'), 'bus/usb')
    this.#link(`bus/usb/devices/${place}`, path)
  }

  addTerminal(device: SysfsDevice): void {
    const usbInterface = join(this.pathOf(device), `${device.place}:1.0`)
    const terminal = this.terminalOf(device)
    this.#write(usbInterface, {
      bInterfaceNumber: '00',
      bInterfaceClass: '02',
      uevent: 'DEVTYPE=usb_interface\nINTERFACE=2/2/1',
    })
    this.#link(join(usbInterface, 'subsystem'), 'bus/usb')
    const number = /\d+$/.exec(device.terminal)![0]
    this.#write(terminal, {
      dev: `166:${number}`,
      uevent: `MAJOR=166\nMINOR=${number}\nDEVNAME=${device.terminal}`,
    })
    this.#link(join(terminal, 'device'), this.#holderOf(device))
    this.#link(join(terminal, 'subsystem'), 'class/tty')
    this.#link(`class/tty/${device.terminal}`, terminal)
  }

  remove(device: SysfsDevice): void {
    for (const path of [
      `class/tty/${device.terminal}`,
      `bus/usb/devices/${device.place}`,
      this.pathOf(device),
    ])
      rmSync(join(this.root, path), { recursive: true, force: true })
  }

  #write(directory: string, files: Readonly<Record<string, string>>): void {
    mkdirSync(join(this.root, directory), { recursive: true })
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(this.root, directory, name), `${text}\n`)
  }

  #link(path: string, target: string): void {
    symlinkSync(relative(dirname(path), target), join(this.root, path))
  }
}
