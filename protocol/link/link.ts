/**
 * Many sessions over one byte port, which outlives them all. docs/formats/link.md §3 to §5.
 *
 * The link uses a port until the port ends, fails or closes; it never ends or destroys it. Whatever stands above a
 * session (TLS destroys its socket) reaches only that session.
 */

import { randomInt } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { DISCARD_COUNTER, type LinkCounters, newCounters } from './counters.ts'
import { FrameDecoder } from './decoder.ts'
import { type Frame, KIND } from './frame.ts'
import { Handshake } from './handshake.ts'
import type { Greeting, Hello, Side } from './hello.ts'
import { LinkError } from './link-error.ts'
import { Pings } from './pings.ts'
import { Sessions } from './sessions.ts'
import { realTimers, type Timers } from './timers.ts'
import { type FrameSource, FrameWriter } from './writer.ts'

/** How a link is made. */
export interface LinkOptions {
  readonly side: Side
  /** What this end says of itself in HELLO. */
  readonly hello?: Partial<Greeting>
  /** Sessions that may live at once; more are refused. */
  readonly maxSessions?: number
  readonly timers?: Timers
  /** Milliseconds of a clock that only moves forward. */
  readonly now?: () => number
  /** A random integer from 1 to 2^32-1. */
  readonly random?: () => number
  /** After how long without an answer the host repeats its HELLO, ms. */
  readonly helloEvery?: number
}

/** The events of a {@link Link}. */
export interface LinkEvents {
  /** Device: the host opened a session. Host: never. */
  session: [session: Duplex]
  /** The other end greeted, again after each restart or change of its state. */
  hello: [hello: Hello]
  /** The port is gone; all sessions have failed. */
  detached: [reason: LinkError]
}

/** The multiplexer; see the head of this file. */
export class Link extends EventEmitter<LinkEvents> {
  readonly side: Side
  readonly #counters = newCounters()
  readonly #random: () => number
  readonly #handshake: Handshake
  readonly #pings: Pings
  readonly #sessions: Sessions
  #writer: FrameWriter | null = null
  #detach: ((reason: LinkError) => void) | null = null

  constructor(options: LinkOptions) {
    super()
    const { side, timers = realTimers } = options
    const counters = this.#counters
    const wake = () => this.#writer?.wake()
    this.side = side
    this.#random = options.random ?? (() => randomInt(1, 0x1_0000_0000))
    this.#pings = new Pings(timers, options.now ?? (() => performance.now()), counters)
    this.#sessions = new Sessions({
      side,
      counters,
      limit: options.maxSessions ?? 64,
      attached: () => this.attached,
      greeted: () => this.greeted,
      accepts: () => this.listenerCount('session') > 0,
      accept: session => this.emit('session', session),
      wake,
    })
    this.#handshake = new Handshake({
      side,
      counters,
      timers,
      greeting: { deviceId: '', state: '', ...options.hello },
      helloEvery: options.helloEvery ?? 1_000,
      onRestart: () => this.#sessions.failAnnounced(new LinkError('the other end restarted')),
      onHello: hello => this.emit('hello', hello),
      wake,
    })
  }

  /** A snapshot of the counters. */
  get counters(): LinkCounters {
    return { ...this.#counters }
  }

  /** True while a port is attached. */
  get attached(): boolean {
    return this.#writer !== null
  }

  /** True once both ends have heard each other over the attached port. */
  get greeted(): boolean {
    return this.#handshake.greeted
  }

  /** Sessions that live now. */
  get sessions(): number {
    return this.#sessions.size
  }

  /** Uses `port` from now on, in place of the one before. */
  attach(port: Duplex): void {
    this.detach()
    this.#counters.attached++
    this.#handshake.begin(this.#random())
    const decoder = new FrameDecoder()
    const writer = new FrameWriter(port, this.#source, this.#counters)
    this.#writer = writer
    const onData = (chunk: Buffer) => this.#read(decoder.push(chunk), chunk.length, writer)
    const onDrain = () => writer.drained()
    const onGone = () => this.detach('the port closed')
    const onError = (cause: unknown) => this.detach('the port failed', cause)
    // stays for good: a port may fail once more after it was given up
    port.on('error', () => {})
    port.on('error', onError).on('end', onGone).on('close', onGone).on('drain', onDrain).on('data', onData)
    this.#detach = reason => {
      writer.stop()
      port.off('error', onError).off('end', onGone).off('close', onGone)
      port.off('drain', onDrain).off('data', onData)
      port.pause()
      this.#writer = null
      this.#detach = null
      this.#sessions.dropResets()
      this.#handshake.end()
      this.#pings.fail(reason)
      this.#sessions.fail(reason)
      this.emit('detached', reason)
    }
    if (port.destroyed || !port.readable) {
      this.detach('the port is closed')
      return
    }
    // a port that was detached before is paused, and a listener alone does not wake it
    port.resume()
    this.#handshake.greet()
  }

  /** Stops using the port, which stays open; all sessions fail with `link-failed`. */
  detach(message = 'the link was detached', cause?: unknown): void {
    this.#detach?.(new LinkError(message, { cause }))
  }

  /** Says something new of this end to the other, such as a change of the device's state. */
  announce(greeting: Partial<Greeting>): void {
    this.#handshake.announce(greeting)
  }

  /**
   * Opens a session (host). It may be written to at once; its bytes wait until both ends have greeted.
   *
   * Without a port, or beyond the limit of sessions, the returned stream fails with `link-failed`.
   */
  open(): Duplex {
    return this.#sessions.open()
  }

  /**
   * Asks the other end for a sign of life.
   *
   * @param timeout ms to wait for the answer
   * @returns the time until the answer, ms
   * @throws LinkError `link-failed` without a port or an answer
   */
  ping(timeout = 5_000): Promise<number> {
    if (this.#writer === null) return Promise.reject(new LinkError('no port is attached'))
    const answer = this.#pings.ask(timeout)
    this.#writer.wake()
    return answer
  }

  readonly #source: FrameSource = {
    nextFrame: (raw, done) => {
      if (this.#handshake.due) return this.#handshake.frame(raw)
      const first = this.#pings.next(raw) ?? this.#sessions.nextReset()
      if (first !== null || !this.greeted) return first
      return this.#sessions.nextFrame(raw, done)
    },
  }

  #read(found: ReturnType<FrameDecoder['push']>, bytes: number, writer: FrameWriter): void {
    this.#counters.bytesIn += bytes
    for (const each of found) {
      // a listener may have detached the port
      if (this.#writer !== writer) return
      if ('discard' in each) {
        this.#counters[DISCARD_COUNTER[each.discard]]++
        this.#counters.noiseBytes += each.bytes
      } else {
        this.#counters.framesIn++
        this.#take(each)
      }
    }
  }

  #take(frame: Frame): void {
    const { kind, payload } = frame
    if (kind === KIND.HELLO) {
      this.#handshake.take(payload)
    } else if (kind === KIND.PING || kind === KIND.PONG) {
      this.#pings.take(kind, payload.readUInt32BE(0))
      this.#writer?.wake()
    } else {
      this.#sessions.take(frame)
    }
  }
}
