/**
 * What a PIN is held against while the device is unlocked and asks for none. It is kept in memory alone: on a disk beside the
 * enrolment, a hash of a few digits would be as good as the digits.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/** Wrong PINs in a row that are answered at once, and how long none is then, ms. */
const FREE_TRIES = 5
const WAIT_MS = 60_000
const HASH_BYTES = 32

/** See the head of this file. */
export class PinMemory {
  readonly #salt = randomBytes(16)
  readonly #now: () => number
  #hash: Uint8Array | null = null
  #wrong = 0
  #lockedUntil = 0

  /** @param now - ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get isLocked(): boolean {
    return this.#now() < this.#lockedUntil
  }

  /** This one unlocked the device. */
  async remember(pin: Uint8Array): Promise<void> {
    this.#hash = await this.#hashOf(pin)
    this.#wrong = 0
    this.#lockedUntil = 0
  }

  /** Whether it may be the PIN: where none was seen, nothing says that it is not. */
  async accepts(pin: Uint8Array): Promise<boolean> {
    if (!this.#hash) return true
    if (this.isLocked) return false
    const isSame = timingSafeEqual(await this.#hashOf(pin), this.#hash)
    this.#wrong = isSame ? 0 : this.#wrong + 1
    if (this.#wrong >= FREE_TRIES) {
      this.#wrong = 0
      this.#lockedUntil = this.#now() + WAIT_MS
    }
    return isSame
  }

  #hashOf(pin: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      scrypt(pin, this.#salt, HASH_BYTES, (error, hash) => (error ? reject(error) : resolve(hash)))
    })
  }
}
