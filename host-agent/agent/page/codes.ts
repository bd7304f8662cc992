/** One-time codes by which `claviger page` lets a browser in. */
import { newToken, tokenHash } from './tokens.ts'

const LIFE_MS = 120_000
const CODE_BYTES = 24
/** Open at once; the oldest goes. */
const MOST = 16

/** The codes that are open. */
export class Codes {
  /** By hash: when it ends, ms. */
  readonly #open = new Map<string, number>()
  readonly #now: () => number

  /** @param now - ms of a clock that nobody sets */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** A new code, base64url. */
  make(): string {
    if (this.#open.size >= MOST) this.#open.delete(this.#open.keys().next().value!)
    const code = newToken(CODE_BYTES)
    this.#open.set(tokenHash(code), this.#now() + LIFE_MS)
    return code
  }

  /** Uses a code up. @returns whether it was one */
  take(code: string): boolean {
    const hash = tokenHash(code)
    const end = this.#open.get(hash)
    this.#open.delete(hash)
    return end !== undefined && this.#now() < end
  }
}
