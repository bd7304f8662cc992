/** Everything on the FAT: the Pi's firmware, and behind the prefix of a slot kernel, initramfs, device tree and command line. */

import type { FatFile } from '../disk/fat.ts'
import { ImageError } from '../errors.ts'
import { FACTS, type Variant } from '../model.ts'
import { runBytes } from '../run.ts'
import type { Unpacked } from '../unpack/deb.ts'
import type { Kernel } from '../unpack/kernel.ts'
import { withButton } from './button.ts'
import { cmdline } from './cmdline.ts'
import { bootFiles, parseConfigTxt, SLOTS, writeConfigTxt } from './config-txt.ts'
import { setProperty } from './fdt.ts'

/** A file on the FAT, and the package it is from. */
export interface BootFile extends FatFile {
  readonly from: string
}

/** The only file that is written after the image was made: `claviger flash` overwrites it in its place. */
export const PROVISION = 'provision.json'
/** Of that file, bytes; it is padded with blanks, which JSON has nothing against. */
export const PROVISION_BYTES = 65_536

/** What the FAT is made from. */
export interface BootParts {
  readonly variant: Variant
  readonly kernel: Kernel
  readonly initramfs: Uint8Array
  readonly firmware: Unpacked
  /** Of compression, zstd's. */
  readonly level: number
  /** Of a development image. */
  readonly console: string | null
  /** GPIO line of a button, or none. */
  readonly button: number | null
}

const FIRMWARE = 'usr/lib/raspi-firmware'
const OURS = 'claviger'

export async function bootTree({
  variant,
  kernel,
  initramfs,
  firmware,
  level,
  console,
  button,
}: BootParts): Promise<BootFile[]> {
  const facts = FACTS[variant.model]
  const slot = SLOTS.a
  const config = writeConfigTxt({ deviceTree: facts.deviceTree, prefix: slot })
  const files: BootFile[] = [
    ...facts.firmware.map(name => {
      const entry = firmware.get(`${FIRMWARE}/${name}`)
      if (entry?.kind !== 'file') throw new ImageError(`raspi-firmware has no ${name}`)
      return { path: name, bytes: entry.bytes, from: entry.from }
    }),
    { path: 'config.txt', bytes: Buffer.from(config), from: OURS },
    { path: `${slot}cmdline.txt`, bytes: Buffer.from(`${cmdline(console)}\n`), from: OURS },
    { path: `${slot}vmlinuz`, bytes: await gzip(kernel.image, level), from: kernel.package },
    { path: `${slot}initramfs.img`, bytes: initramfs, from: OURS },
    { path: slot + facts.deviceTree, bytes: deviceTree(variant, kernel, button), from: kernel.package },
    { path: PROVISION, bytes: blank(), from: OURS },
  ]
  check(config, files)
  return files
}

/** Contents of the provision file of an image that was not flashed yet. */
export function blank(): Buffer {
  const text = Buffer.alloc(PROVISION_BYTES, ' ')
  text[PROVISION_BYTES - 1] = 0x0a
  return text
}

/** A dongle's controller is a device from the start; without this it waits for a cable that says which end it is. */
function deviceTree({ mode, model }: Variant, kernel: Kernel, button: number | null): Uint8Array {
  const { deviceTree: name, usb } = FACTS[model]
  const plain = kernel.deviceTree(name)
  const tree = button === null ? plain : withButton(plain, button)
  if (mode !== 'dongle' || !usb.patch) return tree
  return setProperty(tree, usb.node, 'dr_mode', Buffer.from('peripheral\0'))
}

/** GNU gzip's bytes are the same on every machine; those of zlib's vectorised forks are not. */
async function gzip(bytes: Uint8Array, level: number): Promise<Buffer> {
  return runBytes('gzip', [`-${Math.min(level, 9)}`, '-n', '--stdout'], bytes)
}

/** What the firmware will look for has to be there. */
function check(config: string, files: readonly BootFile[]): void {
  const { kernel, initramfs, cmdline: line, deviceTree: tree, overlays } = bootFiles(parseConfigTxt(config))
  for (const path of [kernel, initramfs, line, tree, ...overlays])
    if (path === null || !files.some(file => file.path === path))
      throw new ImageError(`the firmware would look for ${path}, which is not on the FAT`)
}
