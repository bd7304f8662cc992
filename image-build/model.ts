/** Which images there are: what a device is for, which Pi it is, which kernel it has. */
import { ImageError } from './errors.ts'

export const MODES = ['dongle', 'lan'] as const
export const MODELS = ['zero2w', '3', '4'] as const
export const KERNELS = ['stable', 'backports'] as const

/** A dongle has no network, a LAN box no USB gadget. */
export type Mode = (typeof MODES)[number]
export type Model = (typeof MODELS)[number]
export type Kernel = (typeof KERNELS)[number]

/** One image. */
export interface Variant {
  readonly mode: Mode
  readonly model: Model
  readonly kernel: Kernel
}

/** What is the Pi's own. */
export interface ModelFacts {
  readonly name: string
  /** Device trees in the kernel's package; the first is the one that is started with. */
  readonly deviceTree: string
  /** Files of `raspi-firmware`: what the ROM (or the EEPROM) loads first. */
  readonly firmware: readonly string[]
  /** Path in the device tree of the USB controller that can be a device, and whether the tree has to be told so. */
  readonly usb: { readonly node: string; readonly patch: boolean }
  readonly modes: readonly Mode[]
}

const OLD_FIRMWARE = ['bootcode.bin', 'start_cd.elf', 'fixup_cd.dat']

export const FACTS: Record<Model, ModelFacts> = {
  zero2w: {
    name: 'Raspberry Pi Zero 2 W',
    deviceTree: 'bcm2837-rpi-zero-2-w.dtb',
    firmware: OLD_FIRMWARE,
    usb: { node: 'soc/usb@7e980000', patch: true },
    modes: ['dongle'],
  },
  '3': {
    name: 'Raspberry Pi 3 Model B+, B, A+',
    deviceTree: 'bcm2837-rpi-3-b-plus.dtb',
    firmware: OLD_FIRMWARE,
    usb: { node: 'soc/usb@7e980000', patch: false },
    modes: ['lan'],
  },
  '4': {
    name: 'Raspberry Pi 4 Model B',
    deviceTree: 'bcm2711-rpi-4-b.dtb',
    firmware: ['start4cd.elf', 'fixup4cd.dat'],
    usb: { node: 'soc/usb@7e980000', patch: false },
    modes: ['dongle', 'lan'],
  },
}

/** @throws ImageError where there is no such image */
export function parseVariant(mode = 'dongle', model = 'zero2w', kernel = 'stable'): Variant {
  const one = <T extends string>(what: string, value: string, known: readonly T[]): T => {
    const found = known.find(each => each === value)
    if (found === undefined) throw new ImageError(`--${what} is one of ${known.join(', ')}`)
    return found
  }
  const variant = {
    mode: one('mode', mode, MODES),
    model: one('model', model, MODELS),
    kernel: one('kernel', kernel, KERNELS),
  }
  const { name, modes } = FACTS[variant.model]
  if (!modes.includes(variant.mode))
    throw new ImageError(`a ${name} cannot be a ${variant.mode}`, {
      hint: `it can be a ${modes.join(' or a ')}`,
    })
  return variant
}

/** Name of an image's files, without an ending. @param button - number of the GPIO that it is at */
export function variantName(
  { mode, model, kernel }: Variant,
  version: string,
  button: number | null = null,
): string {
  const ofKernel = kernel === 'stable' ? '' : `-${kernel}`
  return `claviger-${version}-${mode}-${model}${ofKernel}${button === null ? '' : `-gpio${button}`}`
}
