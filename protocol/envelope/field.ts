/**
 * Fields of records, sealed and opened (docs/formats/envelope.md): token, context and HPKE put together on node:crypto.
 */

import { type Context, contextInfo } from './context.ts'
import { OpenError } from './errors.ts'
import { EMPTY } from './hpke.ts'
import { type NodeHpke, nodeHpke } from './hpke-node.ts'
import type { FieldPrivateKey } from './keys.ts'
import { type FieldPlace, sealFieldWith } from './seal-field.ts'
import { FIELD_SUITES, type SuiteLetter } from './suites.ts'
import { type PublicKey, parseToken, splitBody, type Token } from './token.ts'

/** One field of a batch. */
export interface OpenItem {
  readonly privateKey: FieldPrivateKey
  readonly token: Token | string
  readonly context: Context
}

/** HPKE on node:crypto for each suite of the field token. */
export const FIELD_HPKE: Readonly<Record<SuiteLetter, NodeHpke>> = {
  x: nodeHpke(FIELD_SUITES.x),
  p: nodeHpke(FIELD_SUITES.p),
  q: nodeHpke(FIELD_SUITES.q),
}

/**
 * Seals `plaintext` for a place in a record and returns the token.
 * @throws ContextError `bad-context`
 * @throws TokenError `bad-token` when the plaintext is longer than 64 KiB.
 * @throws KeyError `bad-key` when the public key cannot be sealed to.
 */
export function sealField(publicKey: PublicKey, place: FieldPlace, plaintext: Uint8Array): string {
  return sealFieldWith(FIELD_HPKE[publicKey.suite], publicKey, place, plaintext)
}

/**
 * Opens a field. The caller zeroes what it returns.
 * @throws OpenError `open-failed`, with nothing that tells why.
 * @throws ContextError `bad-context`
 * @throws TokenError `bad-token`, only when `token` is a string.
 */
export function openField(privateKey: FieldPrivateKey, token: Token | string, context: Context): Uint8Array {
  const { hpke, enc, info, ciphertext } = prepare({ privateKey, token, context })
  return hpke.open(privateKey.main, enc, info, EMPTY, ciphertext)
}

/** How many fields are under way at once; between two rounds the event loop gets its turn. */
const ROUND = 128

/**
 * Opens a batch on all cores: the key's lanes work in the thread pool, this thread takes its share of the fields and
 * does the key schedule of all.
 * @returns one result per item, in order; whatever is wrong with an item is an OpenError in its place. Never rejects.
 */
export async function openFields(items: readonly OpenItem[]): Promise<(Uint8Array | OpenError)[]> {
  const results: (Uint8Array | OpenError)[] = []
  for (let start = 0; start < items.length; start += ROUND) {
    results.push(...(await openRound(items.slice(start, start + ROUND))))
  }
  return results
}

function openRound(items: readonly OpenItem[]): Promise<(Uint8Array | OpenError)[]> {
  return new Promise(resolve => {
    const results = new Array<Uint8Array | OpenError>(items.length)
    let left = items.length
    const settle = (index: number, result: Uint8Array | OpenError) => {
      results[index] = result
      if (--left === 0) resolve(results)
    }

    // The pool's share first, in one go, so that its threads never wait for this one. Answers are looked at only when this
    // thread has done its own share: waking it for each would cost more than what the pool gains.
    let credit = 0
    const own: number[] = []
    for (const [index, item] of items.entries()) {
      const { lanes } = item.privateKey
      credit += poolShare(lanes.length)
      if (credit < 1) {
        own.push(index)
        continue
      }
      credit -= 1
      try {
        const { hpke, enc, info, ciphertext } = prepare(item)
        const lane = lanes[index % lanes.length]!
        hpke.openInPool(lane, enc, info, EMPTY, ciphertext, result => settle(index, result))
      } catch (cause) {
        settle(index, asOpenError(cause))
      }
    }
    for (const index of own) {
      const { privateKey, token, context } = items[index]!
      try {
        settle(index, openField(privateKey, token, context))
      } catch (cause) {
        settle(index, asOpenError(cause))
      }
    }
  })
}

/**
 * The part of a batch that the pool decapsulates for a key with so many lanes. Measured for X25519 on one machine, this thread needs 41 µs for a field
 * of its own and 15 for one of the pool, a pool thread 28: with one thread both are done together at 0.76, without a JIT at
 * 0.9. Two threads or more are faster than this one can follow.
 */
export function poolShare(lanes: number): number {
  return lanes === 0 ? 0 : lanes === 1 ? 0.8 : 1
}

function asOpenError(cause: unknown): OpenError {
  return cause instanceof OpenError ? cause : new OpenError({ cause })
}

function prepare({ privateKey, token, context }: OpenItem) {
  const parsed = typeof token === 'string' ? parseToken(token) : token
  const info = contextInfo(context)
  if (parsed.suite !== privateKey.suite || parsed.key !== context.key) {
    throw new OpenError({ cause: new TypeError('the token names another suite or key') })
  }
  return { hpke: FIELD_HPKE[parsed.suite], info, ...splitBody(parsed) }
}
