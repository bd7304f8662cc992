/** Frames in pages of shops: how one asks to be let in, and a person on the agent's own page answers. docs/formats/page.md, "Frames". */
import { randomInt } from 'node:crypto'
import type { AskedFrame } from './api.ts'
import { PageRefusal } from './problem.ts'
import { isTokenOf, newToken, tokenHash } from './tokens.ts'

/** A document lives in a tab for long before somebody clicks. */
const NONCE_MS = 12 * 3_600_000
const MOST_NONCES = 512
const ASKED_MS = 180_000
/** Waiting at once, of one origin and of all. */
const MOST_OF_ONE = 4
const MOST_ASKED = 16

interface Asked extends AskedFrame {
  /** Hash of what the frame collects the answer with. */
  hash: string
  /** ms. */
  end: number
  answer: 'waiting' | 'refused' | 'allowed'
}

/** What is open. */
export class Frames {
  readonly #now: () => number
  /** By hash. */
  readonly #nonces = new Map<string, { from: string; end: number }>()
  readonly #asked = new Map<string, Asked>()

  /** @param now - ms of a clock that nobody sets */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** For a document that is delivered to be framed by that origin alone. */
  nonceFor(from: string): string {
    if (this.#nonces.size >= MOST_NONCES) this.#nonces.delete(this.#nonces.keys().next().value!)
    const nonce = newToken(24)
    this.#nonces.set(tokenHash(nonce), { from, end: this.#now() + NONCE_MS })
    return nonce
  }

  /** @throws PageRefusal `frame-refused` for a nonce that is not of that origin or was used, `too-many-requests` */
  ask(from: string, nonce: string): AskedFrame & { secret: string } {
    this.#sweep()
    const hash = tokenHash(nonce)
    const known = this.#nonces.get(hash)
    if (known?.from !== from || known.end <= this.#now())
      throw new PageRefusal('frame-refused', { hint: 'load the page around the frame again' })
    const waiting = [...this.#asked.values()].filter(({ answer }) => answer === 'waiting')
    if (waiting.length >= MOST_ASKED || waiting.filter(one => one.from === from).length >= MOST_OF_ONE)
      throw new PageRefusal('too-many-requests', {
        message: 'other frames wait to be let in',
        hint: "answer them on the agent's own page",
      })
    this.#nonces.delete(hash)
    const secret = newToken()
    const asked: Asked = {
      id: newToken(9),
      from,
      digits: this.#digits(waiting),
      hash: tokenHash(secret),
      end: this.#now() + ASKED_MS,
      answer: 'waiting',
    }
    this.#asked.set(asked.id, asked)
    return { id: asked.id, from, digits: asked.digits, secret }
  }

  /** Those that wait for a person. */
  list(): AskedFrame[] {
    this.#sweep()
    const waiting = [...this.#asked.values()].filter(({ answer }) => answer === 'waiting')
    return waiting.map(({ id, from, digits }) => ({ id, from, digits }))
  }

  /** @throws PageRefusal `frame-refused` for one that does not wait */
  answer(id: string, allow: boolean): void {
    this.#sweep()
    const asked = this.#asked.get(id)
    if (asked?.answer !== 'waiting')
      throw new PageRefusal('frame-refused', {
        message: 'no such frame waits',
        hint: 'it may have waited too long: ask again',
      })
    asked.answer = allow ? 'allowed' : 'refused'
  }

  /**
   * What was answered. Anything but `waiting` is told once.
   *
   * @returns with the origin that is let in
   * @throws PageRefusal `frame-refused`
   */
  collect(id: string, secret: string): { answer: Asked['answer']; from: string } {
    this.#sweep()
    const asked = this.#asked.get(id)
    if (!asked || !isTokenOf(secret, asked.hash))
      throw new PageRefusal('frame-refused', { message: 'nobody answered in time', hint: 'ask again' })
    if (asked.answer !== 'waiting') this.#asked.delete(id)
    return { answer: asked.answer, from: asked.from }
  }

  /** Two that wait never show the same. */
  #digits(waiting: readonly Asked[]): string {
    for (;;) {
      const digits = String(randomInt(10_000)).padStart(4, '0')
      if (waiting.every(one => one.digits !== digits)) return digits
    }
  }

  #sweep(): void {
    const now = this.#now()
    for (const [id, { end }] of this.#asked) if (end <= now) this.#asked.delete(id)
    for (const [hash, { end }] of this.#nonces) if (end <= now) this.#nonces.delete(hash)
  }
}
