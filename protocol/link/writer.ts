/**
 * Writes frames to a port: several in one write, and none while the port asks to wait. docs/formats/link.md §5.
 */

import type { Duplex } from 'node:stream'
import type { LinkCounters } from './counters.ts'
import { encodeFrame, frameBuffer, type Kind, MAX_ENCODED } from './frame.ts'

/** Bytes after which a write is closed and a new one begun. */
const BATCH = 16_384

/**
 * Bytes that may be under way to the port. More than a batch keeps the port busy while it tells of the last one; much
 * more would only make CREDIT wait behind data.
 */
const UNDER_WAY = 32_768

/** The longest write, bytes. */
const LONGEST = BATCH + MAX_ENCODED + 1

/** Bytes of a buffer that many writes are cut from. */
const SLAB = 131_072

/** A frame whose payload stands in the buffer that was passed to {@link FrameSource.nextFrame}. */
export interface FrameToWrite {
  readonly kind: Kind
  readonly session: number
  /** Payload bytes. */
  readonly length: number
}

/** Where the frames come from. */
export interface FrameSource {
  /**
   * The next frame, or null when there is none now.
   *
   * @param raw takes the payload at `HEAD`
   * @param done takes what shall be called once the frame was handed to the port
   */
  nextFrame(raw: Buffer, done: (() => void)[]): FrameToWrite | null
}

/** The writing half of an attached port. */
export class FrameWriter {
  readonly #port: Duplex
  readonly #source: FrameSource
  readonly #counters: LinkCounters
  readonly #raw = frameBuffer()
  /** Writes are cut from it one after another; what the port was handed is never written to again. */
  #slab = Buffer.allocUnsafeSlow(SLAB)
  #used = 0
  #blocked = false
  #underWay = 0
  #scheduled = false
  #stopped = false

  constructor(port: Duplex, source: FrameSource, counters: LinkCounters) {
    this.#port = port
    this.#source = source
    this.#counters = counters
  }

  /** Says that the source may have a frame. What is said within one turn goes out together. */
  wake(): void {
    if (this.#scheduled || this.#blocked || this.#stopped) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  /** The port emitted `drain`. */
  drained(): void {
    this.#blocked = false
    this.#pump()
  }

  /** Never touches the port again. */
  stop(): void {
    this.#stopped = true
  }

  #pump(): void {
    while (!this.#blocked && this.#underWay < UNDER_WAY && !this.#stopped && this.#port.writable) {
      const done: (() => void)[] = []
      if (SLAB - this.#used < LONGEST) {
        this.#slab = Buffer.allocUnsafeSlow(SLAB)
        this.#used = 0
      }
      const start = this.#used
      // the leading zero ends whatever noise came before, so it costs itself and not a frame
      this.#slab[start] = 0
      let end = start + 1
      while (end - start < BATCH) {
        const frame = this.#source.nextFrame(this.#raw, done)
        if (frame === null) break
        this.#counters.framesOut++
        end = encodeFrame(frame.kind, frame.session, this.#raw, frame.length, this.#slab, end)
      }
      if (end === start + 1) return
      const bytes = this.#slab.subarray(start, end)
      this.#used = end
      this.#counters.bytesOut += bytes.length
      this.#underWay += bytes.length
      this.#blocked = !this.#port.write(bytes, () => {
        this.#underWay -= bytes.length
        this.wake()
      })
      for (const callback of done) callback()
    }
  }
}
