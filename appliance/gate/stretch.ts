/**
 * Stretching what a person types into 32 bytes, with Argon2id (RFC 9106; docs/formats/keystore.md, "Factors").
 *
 * It is done here because the gate has read the passphrase or PIN from the body anyway, and because OpenSSL would take the
 * working memory from the secure heap of the key process (docs/decisions/stretching-in-the-gate.md).
 */

import { argon2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Argon2, NewTyped } from '../keeper/rpc/messages.ts'

/** What a person types. */
export type Typed = 'passphrase' | 'pin'

/** Something typed that could not be stretched: `malformed-request`, `too-many-requests`, `internal`. */
export class StretchError extends ClavigerError {}

/** Characters (code points) that each may have. */
const LIMITS = { passphrase: [8, 1024], pin: [4, 64] } as const
/** Nothing of at most 1,024 characters is longer than this in UTF-8, composed or not, with a margin. */
const MAX_TEXT_BYTES = 16_384
const OUTPUT_BYTES = 32
const SALT_BYTES = 16

/** Cost of what is new: what the keeper demands at least. `m` in KiB. */
const NEW_COST = { m: 65_536, t: 3, p: 1 }

/** How many may wait for their turn, of all callers and of one. */
const MAX_WAITING = 8
const MAX_WAITING_OF_ONE = 2

const argon2Async = promisify(argon2)

/**
 * The bytes that are stretched: text in Unicode normalisation form C, so that the same passphrase typed on another
 * keyboard is the same bytes. The result is a copy, to be zeroed by the caller.
 *
 * @param typed UTF-8
 * @throws StretchError `malformed-request` for bytes that are not UTF-8, and for too few or too many characters
 */
export function normalise(kind: Typed, typed: Uint8Array): Uint8Array<ArrayBuffer> {
  const [low, high] = LIMITS[kind]
  const limits = `the ${kind} must have ${low} to ${high} characters of UTF-8`
  if (typed.length > MAX_TEXT_BYTES) throw new StretchError('malformed-request', limits)
  // ASCII is its own normal form; only other text must pass through a string, which cannot be zeroed.
  const bytes = typed.every(byte => byte < 0x80) ? Uint8Array.from(typed) : composed(typed, limits)
  const characters = bytes.reduce((count, byte) => count + ((byte & 0xc0) === 0x80 ? 0 : 1), 0)
  if (characters >= low && characters <= high) return bytes
  bytes.fill(0)
  throw new StretchError('malformed-request', limits)
}

function composed(typed: Uint8Array, limits: string): Uint8Array<ArrayBuffer> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(typed)
    return new TextEncoder().encode(text.normalize('NFC'))
  } catch {
    // The decoder's own error would carry the text into the journal.
    throw new StretchError('malformed-request', limits)
  }
}

/**
 * The 32 bytes of something typed. To be zeroed by the caller.
 *
 * @param typed UTF-8; stays as it is
 * @throws StretchError as {@link normalise}, and `internal` if there is not the memory that Argon2id needs
 */
export async function stretch(
  kind: Typed,
  typed: Uint8Array,
  { m, t, p, salt }: Argon2,
): Promise<Uint8Array> {
  const message = normalise(kind, typed)
  const work = { message, nonce: salt, memory: m, passes: t, parallelism: p, tagLength: OUTPUT_BYTES }
  try {
    return await argon2Async('argon2id', work)
  } catch (cause) {
    throw new StretchError('internal', `the ${kind} could not be stretched`, { cause })
  } finally {
    message.fill(0)
  }
}

/** What the queue needs of the world. */
export interface StretcherOptions {
  /** Memory for what is new, KiB; less than 64 MiB is for tests. */
  memory?: number | undefined
  random?: (n: number) => Uint8Array
}

/**
 * Stretches one thing at a time, so that no number of callers makes the device run out of memory; the others wait, and
 * when too many do, they are sent away.
 */
export class Stretcher {
  readonly #memory: number
  readonly #random: (n: number) => Uint8Array
  /** How many wait or are served, by the caller's pin in hex. */
  readonly #waiting = new Map<string, number>()
  #total = 0
  #tail: Promise<unknown> = Promise.resolve()

  constructor({ memory = NEW_COST.m, random = randomBytes }: StretcherOptions = {}) {
    this.#memory = memory
    this.#random = random
  }

  /**
   * Stretches for a slot that exists.
   *
   * @param text as it was typed
   * @param parameters asked for when it is this caller's turn; what it throws is thrown
   * @throws StretchError as {@link stretch}, and `too-many-requests` when too many wait
   */
  existing(
    caller: { pin: Uint8Array },
    kind: Typed,
    text: string,
    parameters: () => Promise<Argon2>,
  ): Promise<Uint8Array> {
    return this.#inTurn(caller, kind, text, async typed => stretch(kind, typed, await parameters()))
  }

  /**
   * Stretches for a new slot, with a fresh salt.
   *
   * @param admitted asked when it is this caller's turn; what it throws is thrown
   * @throws as {@link existing}
   */
  fresh(
    caller: { pin: Uint8Array },
    kind: Typed,
    text: string,
    admitted: () => Promise<unknown>,
  ): Promise<NewTyped> {
    return this.#inTurn(caller, kind, text, async typed => {
      await admitted()
      const argon2 = { ...NEW_COST, m: this.#memory, salt: Uint8Array.from(this.#random(SALT_BYTES)) }
      return { output: await stretch(kind, typed, argon2), ...argon2 }
    })
  }

  async #inTurn<T>(
    caller: { pin: Uint8Array },
    kind: Typed,
    text: string,
    work: (typed: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const typed = new TextEncoder().encode(text)
    try {
      if (!text.isWellFormed()) throw new StretchError('malformed-request', `the ${kind} is not Unicode text`)
      normalise(kind, typed).fill(0)
      const leave = this.#enter(Buffer.from(caller.pin).toString('hex'))
      try {
        const turn = this.#tail.then(() => work(typed))
        this.#tail = turn.catch(() => {})
        return await turn
      } finally {
        leave()
      }
    } finally {
      typed.fill(0)
    }
  }

  #enter(caller: string): () => void {
    const own = this.#waiting.get(caller) ?? 0
    if (own >= MAX_WAITING_OF_ONE || this.#total >= MAX_WAITING)
      throw new StretchError('too-many-requests', 'too many unlock tries wait already', {
        hint: 'try again in a few seconds',
      })
    this.#waiting.set(caller, own + 1)
    this.#total += 1
    return () => {
      const left = this.#waiting.get(caller)! - 1
      if (left === 0) this.#waiting.delete(caller)
      else this.#waiting.set(caller, left)
      this.#total -= 1
    }
  }
}
