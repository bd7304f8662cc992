/**
 * A light of the kernel: a directory such as `/sys/class/leds/ACT` (Linux, Documentation/leds/leds-class.rst). The kernel
 * blinks by itself where it lets us (triggers `timer` and `pattern`); where it does not, because a trigger is not built in or
 * its files are not ours to write, we turn the light on and off.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Flash } from './light.ts'

type Timers = Pick<typeof globalThis, 'setTimeout' | 'clearTimeout'>

export class Led {
  readonly #directory: string
  readonly #timers: Timers
  readonly #brightest: number
  #timer: NodeJS.Timeout | undefined
  #isLasting = true

  /** @param directory - with the files `brightness`, `max_brightness` and `trigger` */
  constructor(directory: string, timers: Timers = globalThis) {
    this.#directory = directory
    this.#timers = timers
    this.#brightest = this.#readBrightest()
  }

  /**
   * Shows a pattern, from now on. Writing to these files takes microseconds and waits for nothing.
   *
   * @throws the error of the operating system when not even the brightness can be written
   */
  show(pattern: readonly Flash[]): void {
    this.#timers.clearTimeout(this.#timer)
    const [first = [0, 1000]] = pattern
    const isSteady = pattern.every(([on, off]) => on === 0 || off === 0)
    this.#isLasting = isSteady || this.#blinkByItself(pattern)
    if (this.#isLasting && !isSteady) return
    this.#tryWrite('trigger', 'none')
    if (isSteady) this.#turn(first[0] > 0)
    else this.#blink(pattern)
  }

  /** Whether what is shown outlives this process. */
  get isLasting(): boolean {
    return this.#isLasting
  }

  /** Ends our own blinking; what the kernel does by itself goes on. */
  close(): void {
    this.#timers.clearTimeout(this.#timer)
  }

  #blinkByItself(pattern: readonly Flash[]): boolean {
    const [first, second] = pattern
    return first && !second ? this.#blinkByTimer(first) : this.#blinkByPattern(pattern)
  }

  /** The kernel refuses a trigger that it has not. The files of one are there once it was chosen. */
  #blinkByTimer([on, off]: Flash): boolean {
    return (
      this.#tryWrite('trigger', 'timer') &&
      this.#tryWrite('delay_on', String(on)) &&
      this.#tryWrite('delay_off', String(off))
    )
  }

  /** Between two steps the kernel fades, unless the second takes no time (ledtrig-pattern). */
  #blinkByPattern(pattern: readonly Flash[]): boolean {
    const bright = this.#brightest
    const steps = pattern.map(([on, off]) => `${bright} ${on} ${bright} 0 0 ${off} 0 0`)
    return this.#tryWrite('trigger', 'pattern') && this.#tryWrite('pattern', steps.join(' '))
  }

  #blink(pattern: readonly Flash[]): void {
    const steps = pattern.flatMap(([on, off]) => [
      { isOn: true, ms: on },
      { isOn: false, ms: off },
    ])
    const step = (at: number) => {
      const { isOn, ms } = steps[at]!
      this.#turn(isOn)
      this.#timer = this.#timers.setTimeout(() => {
        try {
          step((at + 1) % steps.length)
        } catch {
          // A light that went away stays as it was until it is told something else.
        }
      }, ms)
      this.#timer.unref?.()
    }
    step(0)
  }

  #turn(isOn: boolean): void {
    this.#write('brightness', isOn ? String(this.#brightest) : '0')
  }

  #readBrightest(): number {
    const brightest = Number(this.#read('max_brightness'))
    return Number.isSafeInteger(brightest) && brightest > 0 ? brightest : 1
  }

  /** @returns the empty text where it cannot be read */
  #read(name: string): string {
    try {
      return readFileSync(join(this.#directory, name), 'latin1').trim()
    } catch {
      return ''
    }
  }

  #tryWrite(name: string, text: string): boolean {
    try {
      this.#write(name, text)
      return true
    } catch {
      return false
    }
  }

  /** Makes no file where there is none. */
  #write(name: string, text: string): void {
    const fd = openSync(join(this.#directory, name), constants.O_WRONLY | constants.O_TRUNC)
    try {
      writeSync(fd, `${text}\n`)
    } finally {
      closeSync(fd)
    }
  }
}
