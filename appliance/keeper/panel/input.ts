/**
 * Reads an input device of the kernel, such as `/dev/input/event0`. It is opened without blocking and looked at every 25 ms:
 * a read that waits would hold a thread of the pool, and the end of the process, until somebody presses the button.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { type Button, type Press, passed, RELEASED, type Step, touched } from './button.ts'
import { EVENT_BYTES, InputEvents, type KeyEvent } from './input-event.ts'

/** ms */
const LOOK_EVERY = 25
/** A device that is not there, or went away, is looked for so often, ms. */
const OPEN_EVERY = 1000
/** The kernel's time of an event is believed when the event is no older than this, ms: its clock can be set. */
const OLDEST = 10_000

/** The clocks that presses are timed by, ms. */
export interface Clocks {
  up(): number
  wall(): number
}

export interface Listeners {
  onPress(press: Press): void
  /** It cannot be opened or read; told once, until it can. */
  onTrouble(error: Error): void
}

export class ButtonInput {
  readonly #path: string
  readonly #clocks: Clocks
  readonly #listeners: Listeners
  readonly #timer: NodeJS.Timeout
  readonly #events = new InputEvents()
  readonly #buffer = Buffer.alloc(64 * EVENT_BYTES)
  #fd: number | null = null
  #openAt = 0
  #isFailing = false
  #button: Button = RELEASED
  /** The key that is down: of several, the first one is followed until it is up. */
  #code: number | null = null

  /** @param path - of an evdev node, or of anything whose reads tell of the same events */
  constructor(path: string, clocks: Clocks, listeners: Listeners) {
    this.#path = path
    this.#clocks = clocks
    this.#listeners = listeners
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref()
  }

  /** Takes in what happened since the last look. */
  look(): void {
    if (this.#fd === null) this.#open()
    for (const event of this.#read()) this.#take(event)
    this.#follow(passed(this.#button, this.#clocks.up()))
  }

  close(): void {
    clearInterval(this.#timer)
    this.#shut()
  }

  #open(): void {
    const now = this.#clocks.up()
    if (now < this.#openAt) return
    this.#openAt = now + OPEN_EVERY
    try {
      this.#fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
      this.#isFailing = false
    } catch (error) {
      // It may come yet: drivers are loaded while we start.
      this.#failed(error as Error)
    }
  }

  /** What was held when the device went away was not let go by anybody. */
  #shut(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
    this.#events.clear()
    this.#forget()
  }

  #forget(): void {
    this.#button = RELEASED
    this.#code = null
  }

  #read(): KeyEvent[] {
    if (this.#fd === null) return []
    try {
      const length = readSync(this.#fd, this.#buffer)
      return this.#events.push(this.#buffer.subarray(0, length))
    } catch (error) {
      // Nothing to read now.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return []
      this.#shut()
      this.#failed(error as Error)
      return []
    }
  }

  #failed(error: Error): void {
    if (!this.#isFailing) this.#listeners.onTrouble(error)
    this.#isFailing = true
  }

  #take(event: KeyEvent): void {
    if (event.kind === 'dropped') {
      this.#forget()
      return
    }
    const { code, isDown, wall } = event
    if (this.#code !== null && this.#code !== code) return
    this.#code = isDown ? code : null
    this.#follow(touched(this.#button, isDown, this.#at(wall)))
  }

  /** When it happened, by the clock that nobody sets: we may look late. */
  #at(wall: number): number {
    const age = this.#clocks.wall() - wall
    return this.#clocks.up() - (age >= 0 && age <= OLDEST ? age : 0)
  }

  #follow({ button, press }: Step): void {
    this.#button = button
    if (press) this.#listeners.onPress(press)
  }
}
