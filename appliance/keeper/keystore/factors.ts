/**
 * Unlock factors: what a person or a machine presents, and the 32 bytes each turns into
 * (docs/formats/keystore.md, "Factors").
 *
 * `passphrase` and `pin` are stretched with Argon2id (RFC 9106); `host-share` and `device-secret` are 32 random bytes
 * already and are taken as they are.
 */

import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { KeystoreError, malformed } from './errors.ts'

/** The kinds of factor. A slot lists its factors in order. */
export type FactorType = 'passphrase' | 'pin' | 'host-share' | 'device-secret'

/** Cost of Argon2id: `m` in KiB, `t` passes, `p` lanes. */
export interface Argon2Cost {
  m: number
  t: number
  p: number
}

/** A factor as the header describes it: no secret in it. */
export type FactorDescription =
  | ({ type: 'passphrase' | 'pin'; salt: Uint8Array } & Argon2Cost)
  | { type: 'host-share' | 'device-secret' }

/**
 * A factor as it is presented. `passphrase` and `pin` are UTF-8; the others are 32 bytes. The bytes belong to the
 * caller, who zeroes them; the keystore makes and zeroes its own copies.
 */
export interface Factor {
  type: FactorType
  secret: Uint8Array
}

/** 64 MiB and three passes: the least that the design asks of a Raspberry Pi 4. */
export const DEFAULT_COST: Argon2Cost = { m: 65_536, t: 3, p: 1 }
/** More than this in a file is an attack on the device's memory and time, not a choice. */
export const MAX_COST: Argon2Cost = { m: 1_048_576, t: 64, p: 16 }
/** Bytes of the salt of Argon2id, and of every factor output. */
export const SALT_BYTES = 16
export const FACTOR_BYTES = 32

const MIN_PASSPHRASE = 8
const MAX_PASSPHRASE = 1024
const MIN_PIN = 4
const MAX_PIN = 64
/** No passphrase of the longest allowed is longer than this in UTF-8, composed or not, with a margin. */
const MAX_TEXT_BYTES = 16_384

const argon2Async = promisify(argon2)

/** True for the factors that are typed by a person and stretched. */
export function isTyped(type: FactorType): type is 'passphrase' | 'pin' {
  return type === 'passphrase' || type === 'pin'
}

/** True if the cost is one that the device will pay. */
export function isAcceptableCost({ m, t, p }: Argon2Cost): boolean {
  const within = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high
  return within(p, 1, MAX_COST.p) && within(m, 8 * p, MAX_COST.m) && within(t, 1, MAX_COST.t)
}

/**
 * The bytes of a presented factor in the one form that is stretched or used: text in Unicode normalisation form C, so
 * that the same passphrase typed on another keyboard is the same bytes. The result is a copy, to be zeroed by the caller.
 *
 * @throws malformed-request for text that is not UTF-8, too short or too long, and for a share that is not 32 bytes
 */
export function normalise(factor: Factor): Uint8Array<ArrayBuffer> {
  const { type, secret } = factor
  if (!(secret instanceof Uint8Array)) throw malformed('a factor must be bytes')
  if (!isTyped(type)) {
    if (secret.length !== FACTOR_BYTES) throw malformed(`the ${type} must have ${FACTOR_BYTES} bytes`)
    return Uint8Array.from(secret)
  }
  const [low, high] = type === 'pin' ? [MIN_PIN, MAX_PIN] : [MIN_PASSPHRASE, MAX_PASSPHRASE]
  const limits = `the ${type} must have ${low} to ${high} characters of UTF-8`
  if (secret.length > MAX_TEXT_BYTES) throw malformed(limits)
  // ASCII is its own normal form; only other text must pass through a string, which cannot be zeroed.
  const bytes = secret.every(byte => byte < 0x80) ? Uint8Array.from(secret) : composed(secret, limits)
  const characters = bytes.reduce((count, byte) => count + ((byte & 0xc0) === 0x80 ? 0 : 1), 0)
  if (characters < low || characters > high) {
    bytes.fill(0)
    throw malformed(limits)
  }
  return bytes
}

function composed(secret: Uint8Array, limits: string): Uint8Array<ArrayBuffer> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(secret)
    return new TextEncoder().encode(text.normalize('NFC'))
  } catch {
    // The decoder's own error would carry the text into the journal.
    throw malformed(limits)
  }
}

/**
 * The 32 bytes a factor contributes to the wrapping key. To be zeroed by the caller.
 *
 * @param secret normalised bytes, see {@link normalise}
 * @throws internal if there is not the memory that Argon2id needs
 */
export async function factorOutput(description: FactorDescription, secret: Uint8Array): Promise<Uint8Array> {
  if (!('salt' in description)) return Uint8Array.from(secret)
  const { m, t, p, salt } = description
  const work = { message: secret, nonce: salt, memory: m, passes: t, parallelism: p, tagLength: FACTOR_BYTES }
  try {
    return await argon2Async('argon2id', work)
  } catch (cause) {
    throw new KeystoreError('internal', 'the passphrase could not be stretched', { cause })
  }
}
