/**
 * Unlock factors as the keystore sees them: 32 bytes each (docs/formats/keystore.md, "Factors").
 *
 * What a person types was stretched with Argon2id (RFC 9106) before it came here; `host-share` and `device-secret` are
 * 32 random bytes. The keystore keeps how a typed factor was stretched, and never sees what was typed.
 */

import { bytes, either, integer, map, type Of, type Shape, word } from '../../ipc/shape.ts'
import { malformed } from './errors.ts'

/** 32 bytes for each kind of factor. A slot lists its factors in order. */
export type FactorType = FactorDescription['type']

/** Bytes of every factor output, and of the salt of Argon2id. */
export const FACTOR_BYTES = 32
export const SALT_BYTES = 16

/** How a typed factor was stretched: `m` in KiB, `t` passes, `p` lanes, and the salt. */
const parameters = {
  m: integer(1_048_576),
  t: integer(64),
  p: integer(16),
  salt: bytes(SALT_BYTES, SALT_BYTES),
}
const Parameters = map(parameters)
export type Argon2Parameters = Of<typeof Parameters>

const StretchedFactor = map({ type: word('passphrase', 'pin'), ...parameters })
const RandomFactor = map({ type: word('host-share', 'device-secret') })
const AnyFactor = either(StretchedFactor, RandomFactor)

/** A factor as the header describes it: no secret in it. */
export type FactorDescription = Of<typeof AnyFactor>

/** The least that a new slot may cost to try: `m` in KiB, `t` passes. */
export interface CostFloor {
  m: number
  t: number
}

/** 64 MiB and three passes: what a Raspberry Pi 4 does in a moment. */
export const COST_FLOOR: CostFloor = { m: 65_536, t: 3 }

/** A factor as it is presented. The bytes belong to the caller, who zeroes them; the keystore makes no copy. */
export interface Factor {
  type: FactorType
  /** {@link FACTOR_BYTES} bytes. */
  output: Uint8Array
}

/** A factor of a slot that is to be made. One that was typed says how it was stretched. */
export interface NewFactor extends Factor {
  argon2?: Argon2Parameters
}

/** A factor description of the right form, with a cost that the device will pay. */
export const FactorDescription: Shape<FactorDescription> = (value): value is FactorDescription =>
  AnyFactor(value) && (!isStretched(value) || (value.t >= 1 && value.p >= 1 && value.m >= 8 * value.p))

/** True for the factors that are typed by a person. */
export function isStretched(
  factor: FactorDescription,
): factor is Extract<FactorDescription, Argon2Parameters> {
  return 'salt' in factor
}

/**
 * The description of a factor of a new slot.
 *
 * @throws malformed-request for a factor that no header can describe, and one that is cheaper to try than `floor`
 */
export function describe({ type, argon2 }: NewFactor, floor: CostFloor): FactorDescription {
  // The header lives longer than the request, whose bytes are zeroed once it is answered.
  const factor: unknown = argon2 ? { type, ...argon2, salt: Uint8Array.from(argon2.salt) } : { type }
  if (!FactorDescription(factor)) throw malformed('a factor is not known, or its cost is out of range')
  if (isStretched(factor) && (factor.m < floor.m || factor.t < floor.t))
    throw malformed(`a new slot needs argon2id with at least ${floor.m} KiB and ${floor.t} passes`)
  return factor
}

/** @throws malformed-request unless every factor is of {@link FACTOR_BYTES} bytes */
export function assertOutputs(factors: readonly Factor[]): void {
  for (const { type, output } of factors)
    if (!(output instanceof Uint8Array) || output.length !== FACTOR_BYTES)
      throw malformed(`the ${type} must have ${FACTOR_BYTES} bytes`)
}
