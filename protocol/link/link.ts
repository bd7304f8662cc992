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
import { type Frame, HEAD, KIND, LINK_VERSION } from './frame.ts'
import { type Greeting, type Hello, readHello, type Side, writeHello } from './hello.ts'
import { Pings } from './pings.ts'
import { LinkError, Session, type SessionLine, type Verdict } from './session.ts'
import { realTimers, type Timers } from './timers.ts'
import { type FrameSource, type FrameToWrite, FrameWriter } from './writer.ts'

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

/** RESETs that wait for the port; a peer that provokes more gets no answer. */
const MAX_RESETS = 256

/** The multiplexer; see the head of this file. */
export class Link extends EventEmitter<LinkEvents> {
  readonly side: Side
  readonly #counters = newCounters()
  readonly #timers: Timers
  readonly #random: () => number
  readonly #helloEvery: number
  readonly #maxSessions: number
  readonly #pings: Pings
  readonly #sessions = new Map<number, Session>()
  /** Sessions with something to send, in the order of their turns. */
  readonly #ready = new Set<Session>()
  readonly #resets = new Set<number>()
  readonly #line: SessionLine
  #greeting: Greeting
  #lastId = 0
  #writer: FrameWriter | null = null
  #detach: ((reason: LinkError) => void) | null = null
  #helloTimer: unknown = null
  #helloDue = false
  #epoch = 0
  #heard = 0
  #greeted = false

  constructor(options: LinkOptions) {
    super()
    this.side = options.side
    this.#greeting = { deviceId: '', state: '', ...options.hello }
    this.#timers = options.timers ?? realTimers
    this.#random = options.random ?? (() => randomInt(1, 0x1_0000_0000))
    this.#helloEvery = options.helloEvery ?? 1_000
    this.#maxSessions = options.maxSessions ?? 64
    this.#pings = new Pings(this.#timers, options.now ?? (() => performance.now()), this.#counters)
    this.#line = {
      ready: session => this.#wakeSession(session),
      over: (session, reset) => {
        this.#forget(session)
        if (reset) this.#reset(session.id)
      },
    }
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
    return this.#greeted
  }

  /** Sessions that live now. */
  get sessions(): number {
    return this.#sessions.size
  }

  /** Uses `port` from now on, in place of the one before. */
  attach(port: Duplex): void {
    this.detach()
    this.#counters.attached++
    this.#epoch = this.#random()
    this.#heard = 0
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
      this.#greeted = false
      this.#resets.clear()
      this.#stopHello()
      this.#pings.fail(reason)
      for (const session of [...this.#sessions.values()]) session.fail(reason)
      this.emit('detached', reason)
    }
    if (port.destroyed || !port.readable) {
      this.detach('the port is closed')
      return
    }
    // a port that was detached before is paused, and a listener alone does not wake it
    port.resume()
    this.#sayHello()
  }

  /** Stops using the port, which stays open; all sessions fail with `link-failed`. */
  detach(message = 'the link was detached', cause?: unknown): void {
    this.#detach?.(new LinkError(message, { cause }))
  }

  /** Says something new of this end to the other, such as a change of the device's state. */
  announce(greeting: Partial<Greeting>): void {
    this.#greeting = { ...this.#greeting, ...greeting }
    this.#helloDue = true
    this.#writer?.wake()
  }

  /**
   * Opens a session (host). It may be written to at once; its bytes wait until both ends have greeted.
   *
   * Without a port, or beyond the limit of sessions, the returned stream fails with `link-failed`.
   */
  open(): Duplex {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0
    } while (this.#lastId === 0 || this.#sessions.has(this.#lastId))
    const session = new Session(this.#lastId, this.#line, true)
    const refusal =
      this.side !== 'host'
        ? 'only the host opens sessions'
        : this.#writer === null
          ? 'no port is attached'
          : this.#sessions.size >= this.#maxSessions
            ? 'too many sessions'
            : null
    if (refusal !== null) {
      session.fail(new LinkError(refusal))
      return session
    }
    this.#counters.opened++
    this.#sessions.set(session.id, session)
    this.#wakeSession(session)
    return session
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
      if (this.#helloDue) return this.#helloFrame(raw)
      const ping = this.#pings.next(raw)
      if (ping !== null) return ping
      for (const id of this.#resets) {
        this.#resets.delete(id)
        this.#counters.resetsOut++
        return { kind: KIND.RESET, session: id, length: 0 }
      }
      return this.#greeted ? this.#sessionFrame(raw, done) : null
    },
  }

  #sessionFrame(raw: Buffer, done: (() => void)[]): FrameToWrite | null {
    for (const session of this.#ready) {
      // to the end of the queue: one frame each, in turn
      this.#ready.delete(session)
      const kind = session.next()
      if (kind === 0) continue
      const length = session.fill(kind, raw, done)
      if (session.next() !== 0) this.#ready.add(session)
      return { kind, session: session.id, length }
    }
    return null
  }

  #helloFrame(raw: Buffer): FrameToWrite {
    this.#helloDue = false
    const hello = { ...this.#greeting, version: LINK_VERSION, side: this.side, epoch: this.#epoch }
    const length = writeHello({ ...hello, heard: this.#heard }, raw, HEAD)
    return { kind: KIND.HELLO, session: 0, length }
  }

  /** Sends HELLO; the host repeats it until it is answered. */
  #sayHello(): void {
    this.#stopHello()
    this.#helloDue = true
    this.#writer?.wake()
    if (this.side === 'device') return
    this.#helloTimer = this.#timers.setTimeout(() => this.#sayHello(), this.#helloEvery)
  }

  #stopHello(): void {
    if (this.#helloTimer !== null) this.#timers.clearTimeout(this.#helloTimer)
    this.#helloTimer = null
    this.#helloDue = false
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
    const { kind, session: id, payload } = frame
    if (kind === KIND.HELLO) {
      this.#takeHello(payload)
      return
    }
    if (kind === KIND.PING || kind === KIND.PONG) {
      this.#pings.take(kind, payload.readUInt32BE(0))
      this.#writer?.wake()
      return
    }
    if (kind === KIND.OPEN) {
      this.#takeOpen(id)
      return
    }
    if (kind === KIND.RESET) this.#counters.resetsIn++
    const session = this.#sessions.get(id)
    if (session === undefined) {
      this.#counters.unknownSession++
      // only DATA is answered: the sender of anything else has nothing to lose, and RESET must not breed RESET
      if (kind === KIND.DATA && this.#greeted) this.#reset(id)
      return
    }
    if (kind === KIND.DATA) this.#judge(session, session.takeData(payload))
    else if (kind === KIND.CREDIT) this.#judge(session, session.takeCredit(payload.readUInt32BE(0)))
    else if (kind === KIND.CLOSE) this.#judge(session, session.takeClose(payload.readUInt32BE(0)))
    else session.takeReset()
  }

  #judge(session: Session, verdict: Verdict): void {
    if (verdict === 'ok') return
    if (verdict === 'gap') this.#counters.gaps++
    else this.#counters.creditViolations++
    session.fail(new LinkError(verdict === 'gap' ? 'the line lost bytes' : 'the other end broke the credit'))
    this.#reset(session.id)
  }

  #takeHello(payload: Buffer): void {
    const hello = readHello(payload)
    if (hello === null) this.#counters.badHello++
    else if (hello.side === this.side) this.#counters.echoed++
    else {
      if (hello.epoch !== this.#heard) {
        this.#heard = hello.epoch
        this.#greeted = false
        if (this.side === 'host' && hello.heard !== this.#epoch) this.#sayHello()
        const restarted = new LinkError('the other end restarted')
        for (const session of [...this.#sessions.values()]) if (session.announced) session.fail(restarted)
      }
      if (this.side === 'device') this.#helloDue = true
      // an old HELLO in the line's buffers does not know our epoch, so it cannot pass for an answer
      if (this.side === 'device' || hello.heard === this.#epoch) {
        this.#greeted = true
        if (this.side === 'host') this.#stopHello()
        this.emit('hello', hello)
      }
      this.#writer?.wake()
    }
  }

  #takeOpen(id: number): void {
    const living = this.#sessions.get(id)
    if (this.side === 'host') {
      this.#counters.echoed++
    } else if (!this.#greeted) {
      this.#counters.unknownSession++
    } else if (living !== undefined) {
      this.#counters.duplicateOpens++
      living.fail(new LinkError('the other end opened the session twice'))
      this.#reset(id)
    } else if (this.#sessions.size >= this.#maxSessions || this.listenerCount('session') === 0) {
      this.#counters.refusedOpens++
      this.#reset(id)
    } else {
      this.#counters.opened++
      const session = new Session(id, this.#line, false)
      this.#sessions.set(id, session)
      this.emit('session', session)
    }
  }

  #wakeSession(session: Session): void {
    if (this.#sessions.get(session.id) !== session) return
    if (session.next() === 0) return
    this.#ready.add(session)
    this.#writer?.wake()
  }

  #forget(session: Session): void {
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id)
    this.#ready.delete(session)
  }

  #reset(id: number): void {
    if (this.#writer === null) return
    if (this.#resets.size >= MAX_RESETS) this.#counters.droppedAnswers++
    else this.#resets.add(id)
    this.#writer.wake()
  }
}
