/**
 * What the device has for people without a screen: a light that says its state, and a button. They belong to the key
 * process, so that whoever takes over the gate can neither show a wrong light nor press the button
 * (docs/decisions/panel-in-the-keeper.md).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Device } from '../device.ts'
import type { Press } from './button.ts'
import { ButtonInput } from './input.ts'
import { Led } from './led.ts'
import { type Light, lightOf, PATTERNS } from './light.ts'
import type { Presence } from './presence.ts'

/** The state is looked at so often, besides at each change, ms: a log is damaged without anybody being told. */
const LOOK_EVERY = 1000
/** How long a process that cannot do its work shows so before it ends, ms. */
const FAULT_MS = 5000

export interface PanelOptions {
  /** Directory of the light, such as `/sys/class/leds/ACT`. */
  led?: string | undefined
  /** Node of the button, such as `/dev/input/event0`. */
  button?: string | undefined
  presence: Presence
  clock: Clock
}

export class Panel {
  readonly #led: Led | null
  readonly #presence: Presence
  readonly #input: ButtonInput | null
  #device: Device | null = null
  #timer: NodeJS.Timeout | undefined
  #shown: Light | null = null
  #isFailing = false

  constructor({ led, button, presence, clock }: PanelOptions) {
    this.#led = led === undefined ? null : new Led(led)
    this.#presence = presence
    this.#input =
      button === undefined
        ? null
        : new ButtonInput(button, clock, {
            onPress: press => this.#pressed(press),
            onTrouble: error => report(`the button does not work: ${error.message}`),
          })
    this.#show('off')
  }

  /** Shows how this device is, from now on, and lets its button do something. */
  attach(device: Device): void {
    this.#device = device
    for (const event of ['trust', 'touch'] as const) device.on(event, () => this.#look())
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY).unref()
    this.#look()
  }

  /** The device could not be opened. Where it is we who blink, that ends with the process, and so it is shown for a while. */
  async fail(): Promise<void> {
    this.#show('fault')
    if (!this.#led || this.#led.isLasting) return
    await sleep(FAULT_MS)
    this.close()
  }

  /** The light goes out: what it said is not known to be so from here on. */
  close(): void {
    clearInterval(this.#timer)
    this.#device = null
    this.#input?.close()
    this.#show('off')
    this.#led?.close()
  }

  #look(): void {
    if (this.#device) this.#show(lightOf(this.#device.keepers, this.#presence.count()))
  }

  #show(light: Light): void {
    if (!this.#led || light === this.#shown) return
    try {
      this.#led.show(PATTERNS[light])
      this.#shown = light
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) report(`the light cannot be set: ${(error as Error).message}`)
      this.#shown = null
      this.#isFailing = true
    }
  }

  #pressed(press: Press): void {
    if (press === 'short') this.#presence.press()
    else if (this.#device)
      this.#device.lockDownByHand().catch(error => report(`lockdown failed: ${error.message}`))
  }
}

function report(message: string): void {
  process.stderr.write(`claviger-keeper: ${message}\n`)
}
