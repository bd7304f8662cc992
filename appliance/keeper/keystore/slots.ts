/**
 * Unlock slots: each holds the data key wrapped under a key derived from its factors in order
 * (docs/formats/keystore.md, "Slots").
 *
 * wrapping key = HKDF-SHA256(ikm = per factor: u16be(length) ‖ type ‖ u16be(length) ‖ output, salt empty,
 * info = "claviger/slot/v1" ‖ u16be(length) ‖ slot id ‖ u16be(length) ‖ namespace). RFC 5869, RFC 8452.
 */

import { hkdfSync } from 'node:crypto'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { bytes, list, map, type Of, type Shape, word } from '../../ipc/shape.ts'
import { malformed } from './errors.ts'
import {
  assertOutputs,
  type CostFloor,
  describe,
  type Factor,
  FactorDescription,
  type FactorType,
  type NewFactor,
} from './factors.ts'
import { open, seal, TAG_BYTES } from './gcm-siv.ts'

export const DATA_KEY_BYTES = 32
export const NONCE_BYTES = 12
const WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES
const MAX_FACTORS = 4
const INFO = 'claviger/slot/v1'
const SLOT_ID = /^[a-z0-9][a-z0-9.-]{0,31}(\/[a-z0-9][a-z0-9.-]{0,31})?$/

/**
 * `passphrase`: one passphrase. `staff`: a PIN together with at least one random factor. `unattended`: the share of a
 * machine and the secret of the device.
 */
const SlotKind = word('passphrase', 'staff', 'unattended')
export type SlotKind = Of<typeof SlotKind>

const SlotId: Shape<string> = (value): value is string => typeof value === 'string' && SLOT_ID.test(value)

const fields = { id: SlotId, kind: SlotKind, factors: list(FactorDescription, MAX_FACTORS) }
const AnyDescription = map(fields)
const AnySlot = map({ ...fields, wrapped: bytes(WRAPPED_BYTES, WRAPPED_BYTES) })

/** What the header says of a slot beside the wrapped key; authenticated together with it. */
export type SlotDescription = Of<typeof AnyDescription>

/** A slot as the header holds it. `wrapped` is nonce (12) ‖ sealed data key (32) ‖ tag (16). */
export type Slot = Of<typeof AnySlot>
export const Slot: Shape<Slot> = (value): value is Slot => AnySlot(value) && hasFactorsOfItsKind(value)

/** What is needed to make a slot. */
export interface NewSlot {
  /** e.g. `admin`, `staff/till-1` */
  id: string
  kind: SlotKind
  factors: NewFactor[]
}

/** What may be told about a slot to anyone who can read the file. */
export interface SlotSummary {
  id: string
  kind: SlotKind
  factors: FactorType[]
}

export function summaryOf({ id, kind, factors }: Slot): SlotSummary {
  return { id, kind, factors: factors.map(({ type }) => type) }
}

/** Source of randomness: `n` unpredictable bytes. */
export type RandomBytes = (n: number) => Uint8Array

/** True if wrong tries of this slot are counted: a PIN is short enough to be guessed. */
export function hasPin(slot: SlotDescription): boolean {
  return slot.factors.some(factor => factor.type === 'pin')
}

/** A PIN alone can be searched on a copy of the file, where nobody counts tries. */
function hasFactorsOfItsKind({ kind, factors }: SlotDescription): boolean {
  const types = factors.map(factor => factor.type)
  if (new Set(types).size !== types.length) return false
  if (kind === 'passphrase') return types.length === 1 && types[0] === 'passphrase'
  if (kind === 'unattended')
    return types.length === 2 && types.includes('host-share') && types.includes('device-secret')
  return types.includes('pin') && types.length > 1 && !types.includes('passphrase')
}

/**
 * Makes a slot that wraps the data key.
 *
 * @throws malformed-request for an id, kind, factor or cost that is not allowed
 */
export function makeSlot(
  namespace: string,
  { id, kind, factors }: NewSlot,
  dataKey: Uint8Array,
  random: RandomBytes,
  floor: CostFloor,
): Slot {
  const description = { id, kind, factors: factors.map(factor => describe(factor, floor)) }
  if (!AnyDescription(description)) throw malformed('the id, kind or factors of the slot are not allowed')
  if (!hasFactorsOfItsKind(description))
    throw malformed('a slot has one passphrase, or a pin and a host-share or device-secret, or both of these')
  assertOutputs(factors)
  const key = wrappingKey(namespace, id, factors)
  try {
    const nonce = random(NONCE_BYTES)
    const sealed = seal(key, nonce, encodeCbor(description), dataKey)
    return { ...description, wrapped: Buffer.concat([nonce, sealed]) }
  } finally {
    key.fill(0)
  }
}

/**
 * The data key of a slot, or `null` if any factor is wrong. To be zeroed by the caller.
 *
 * @param factors of the types that the slot lists, in its order
 */
export function openSlot(namespace: string, slot: Slot, factors: readonly Factor[]): Uint8Array | null {
  const { wrapped, ...description } = slot
  const key = wrappingKey(namespace, slot.id, factors)
  try {
    const aad = encodeCbor(description)
    return open(key, wrapped.subarray(0, NONCE_BYTES), aad, wrapped.subarray(NONCE_BYTES))
  } finally {
    key.fill(0)
  }
}

/** HKDF-SHA256 (RFC 5869) over the factor outputs in order, bound to the slot's id and namespace. */
function wrappingKey(namespace: string, id: string, factors: readonly Factor[]): Uint8Array {
  const material = Buffer.concat(
    factors.flatMap(({ type, output }) => [...framed(Buffer.from(type)), ...framed(output)]),
  )
  try {
    const names = [id, namespace].flatMap(name => framed(Buffer.from(name)))
    const info = Buffer.concat([Buffer.from(INFO), ...names])
    return new Uint8Array(hkdfSync('sha256', material, new Uint8Array(), info, DATA_KEY_BYTES))
  } finally {
    material.fill(0)
  }
}

/** u16be(length) and the bytes: joined, such pairs can be read in one way only. */
function framed(bytes: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return [length, bytes]
}
