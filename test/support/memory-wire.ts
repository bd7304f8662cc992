/** A cable in memory: two byte streams that end together, as the two ends of a TCP connection do. */
import { Duplex } from 'node:stream'

/**
 * One end. What is written to it can be read from the other. Unlike with `stream.duplexPair()`, destroying one end
 * ends the other: it reads what was on its way, then the end, and its writes fail.
 */
class End extends Duplex {
  other!: End
  /** The write that waits until this end reads. */
  #waiting: ((error?: Error | null) => void) | undefined

  constructor() {
    super({ allowHalfOpen: false })
    this.on('error', () => {})
  }

  #go(error?: Error): void {
    const done = this.#waiting
    this.#waiting = undefined
    done?.(error)
  }

  override _read(): void {
    this.#go()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const { other } = this
    if (other.destroyed || other.readableEnded) done(new Error('the other end is closed'))
    else if (other.push(Buffer.from(chunk))) done()
    else other.#waiting = done
  }

  override _final(done: () => void): void {
    this.#end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#go(new Error('the other end is closed'))
    this.#end()
    done(error)
  }

  #ended = false
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.other.destroyed) this.other.push(null)
  }
}

/** Two joined ends. */
export function memoryCable(): [Duplex, Duplex] {
  const [a, b] = [new End(), new End()]
  a.other = b
  b.other = a
  return [a, b]
}
