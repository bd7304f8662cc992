/** A button between a GPIO pin and ground, as the kernel's driver `gpio-keys` is told of it. */
import { ImageError } from '../errors.ts'
import { readProperty } from './fdt.ts'
import { addNode, cells, text } from './fdt-node.ts'

/** Node of the pins in the device trees of every model. */
const GPIO = 'soc/gpio@7e200000'
/** Pins of the header. */
const PINS = { first: 2, last: 27 }
/** Pressed is low, and a resistor of the chip holds it high: GPIO_ACTIVE_LOW | GPIO_PULL_UP (dt-bindings/gpio/gpio.h). */
const LOW_WITH_PULL_UP = 0x11
/** KEY_PROG1 (linux/input-event-codes.h); the keeper takes any key. */
const KEY = 148
const DEBOUNCE_MS = 20

/** @throws ImageError for what is no pin of the header */
export function parsePin(pin: string): number {
  const number = Number(pin)
  if (/^\d{1,2}$/.test(pin) && number >= PINS.first && number <= PINS.last) return number
  throw new ImageError(`--button-gpio is a number from ${PINS.first} to ${PINS.last}`, {
    hint: 'it counts GPIO lines and not pins of the header: GPIO 3 is pin 5, and pin 6 beside it is ground',
  })
}

/** The device tree with a button; its label is what the first root looks for. */
export function withButton(tree: Uint8Array, pin: number): Uint8Array {
  const phandle = readProperty(tree, GPIO, 'phandle')
  if (!phandle) throw new ImageError(`device tree: there is no phandle in /${GPIO}`)
  const controller = Buffer.from(phandle).readUInt32BE(0)
  return addNode(tree, 'claviger-button', {
    properties: { compatible: text('gpio-keys'), label: text('gpio-keys') },
    nodes: {
      button: {
        properties: {
          label: text('button'),
          gpios: cells(controller, pin, LOW_WITH_PULL_UP),
          'linux,code': cells(KEY),
          'debounce-interval': cells(DEBOUNCE_MS),
        },
      },
    },
  })
}
