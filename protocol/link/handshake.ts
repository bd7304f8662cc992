/**
 * The exchange of HELLO by which both ends know that they hear each other now. docs/formats/link.md §3.
 */

import type { LinkCounters } from './counters.ts'
import { HEAD, KIND, LINK_VERSION } from './frame.ts'
import { type Greeting, type Hello, readHello, type Side, writeHello } from './hello.ts'
import type { Timers } from './timers.ts'
import type { FrameToWrite } from './writer.ts'

/** What a handshake is given by its link. */
export interface HandshakeOptions {
  readonly side: Side
  readonly greeting: Greeting
  readonly timers: Timers
  /** After how long without an answer the host repeats its HELLO, ms. */
  readonly helloEvery: number
  readonly counters: LinkCounters
  /** There is a HELLO to write. */
  wake(): void
  /** The other end is another than before: what it knew is forgotten. */
  onRestart(): void
  /** The other end greeted, and both have heard each other. */
  onHello(hello: Hello): void
}

/** Who greets whom over one port after another. */
export class Handshake {
  readonly #options: HandshakeOptions
  #greeting: Greeting
  #timer: unknown = null
  #due = false
  #epoch = 0
  #heard = 0
  #greeted = false

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#greeting = options.greeting
  }

  /** True once both ends have heard each other over the port. */
  get greeted(): boolean {
    return this.#greeted
  }

  /** True while a HELLO is to be written. */
  get due(): boolean {
    return this.#due
  }

  /** There is a new port, on which this end is known by `epoch`. */
  begin(epoch: number): void {
    this.#epoch = epoch
    this.#heard = 0
  }

  /** The port is gone. */
  end(): void {
    this.#greeted = false
    this.#stop()
  }

  /** Sends HELLO; the host repeats it until it is answered. */
  greet(): void {
    this.#stop()
    this.#due = true
    this.#options.wake()
    if (this.#options.side === 'device') return
    this.#timer = this.#options.timers.setTimeout(() => this.greet(), this.#options.helloEvery)
  }

  /** Says something new of this end. */
  announce(greeting: Partial<Greeting>): void {
    this.#greeting = { ...this.#greeting, ...greeting }
    this.#due = true
    this.#options.wake()
  }

  /** The HELLO that is due, its payload in `raw`. */
  frame(raw: Buffer): FrameToWrite {
    this.#due = false
    const { side } = this.#options
    const hello = { ...this.#greeting, version: LINK_VERSION, side, epoch: this.#epoch, heard: this.#heard }
    return { kind: KIND.HELLO, session: 0, length: writeHello(hello, raw, HEAD) }
  }

  /** Takes the payload of a HELLO. */
  take(payload: Buffer): void {
    const { side, counters } = this.#options
    const hello = readHello(payload)
    if (hello === null) counters.badHello++
    else if (hello.side === side) counters.echoed++
    else {
      // an old HELLO in the line's buffers does not know our epoch, so it cannot pass for an answer
      const answers = side === 'device' || hello.heard === this.#epoch
      if (hello.epoch !== this.#heard) {
        this.#heard = hello.epoch
        this.#greeted = false
        if (!answers) this.greet()
        this.#options.onRestart()
      }
      if (side === 'device') this.#due = true
      if (answers) {
        this.#greeted = true
        if (side === 'host') this.#stop()
        this.#options.onHello(hello)
      }
      this.#options.wake()
    }
  }

  #stop(): void {
    if (this.#timer !== null) this.#options.timers.clearTimeout(this.#timer)
    this.#timer = null
    this.#due = false
  }
}
