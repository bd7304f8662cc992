/**
 * Unlock slots: each holds the data key wrapped under a key derived from its factors in order
 * (docs/formats/keystore.md, "Slots").
 *
 * wrapping key = HKDF-SHA256(ikm = per factor: u16be(length) ‖ type ‖ u16be(length) ‖ output, salt empty,
 * info = "claviger/slot/v1" ‖ u16be(length) ‖ slot id ‖ u16be(length) ‖ namespace). RFC 5869, RFC 8452.
 */

import { hkdfSync } from 'node:crypto'
import { gcmsiv } from '@noble/ciphers/aes.js'
import { bytesOf, type CborValue, encodeCbor, fieldsOf, textLike, uintIn } from './cbor.ts'
import { damaged, malformed } from './errors.ts'
import {
  type Argon2Cost,
  DEFAULT_COST,
  type Factor,
  type FactorDescription,
  factorOutput,
  isAcceptableCost,
  isTyped,
  MAX_COST,
  normalise,
  SALT_BYTES,
} from './factors.ts'

/** `passphrase`: one passphrase. `staff`: a PIN together with at least one random factor. */
export type SlotKind = 'passphrase' | 'staff'

/** What the header says of a slot beside the wrapped key; authenticated together with it. */
export interface SlotDescription {
  /** e.g. `admin`, `staff/till-1` */
  id: string
  kind: SlotKind
  factors: FactorDescription[]
}

/** A slot as the header holds it. `wrapped` is nonce (12) ‖ sealed data key (32) ‖ tag (16). */
export interface Slot extends SlotDescription {
  wrapped: Uint8Array
}

/** What is needed to make a slot. */
export interface NewSlot {
  id: string
  kind: SlotKind
  factors: Factor[]
  /** Cost of the passphrase or PIN; {@link DEFAULT_COST} if missing. */
  cost?: Argon2Cost
}

/** Source of randomness: `n` unpredictable bytes. */
export type RandomBytes = (n: number) => Uint8Array

export const DATA_KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16
const WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES
const MAX_FACTORS = 4
const INFO = 'claviger/slot/v1'
const SLOT_ID = /^[a-z0-9][a-z0-9.-]{0,31}(\/[a-z0-9][a-z0-9.-]{0,31})?$/

/** True if wrong tries of this slot are counted: a PIN is short enough to be guessed. */
export function hasPin(slot: SlotDescription): boolean {
  return slot.factors.some(factor => factor.type === 'pin')
}

/** A slot as a CBOR map; without `wrapped` it is the associated data of the wrapped key. */
export function slotToCbor(slot: SlotDescription | Slot): Map<string, CborValue> {
  const map = new Map<string, CborValue>([
    ['id', slot.id],
    ['kind', slot.kind],
    ['factors', slot.factors.map(factor => new Map<string, CborValue>(Object.entries(factor)))],
  ])
  if ('wrapped' in slot) map.set('wrapped', slot.wrapped)
  return map
}

/** @throws keystore-damaged */
export function slotFromCbor(value: CborValue): Slot {
  const [id, kind, factors, wrapped] = fieldsOf(value, 'id', 'kind', 'factors', 'wrapped')
  if (!Array.isArray(factors) || factors.length > MAX_FACTORS)
    throw damaged('the factors of a slot are not a list')
  const slot: Slot = {
    id: textLike(id, SLOT_ID),
    kind: textLike(kind, /^(passphrase|staff)$/) as SlotKind,
    factors: factors.map(factorFromCbor),
    wrapped: bytesOf(wrapped, WRAPPED_BYTES),
  }
  const fault = faultOf(slot)
  if (fault !== undefined) throw damaged(fault)
  return slot
}

function factorFromCbor(value: CborValue): FactorDescription {
  if (value instanceof Map && value.size === 1) {
    const [type] = fieldsOf(value, 'type')
    return { type: textLike(type, /^(host-share|device-secret)$/) as 'host-share' | 'device-secret' }
  }
  const [type, m, t, p, salt] = fieldsOf(value, 'type', 'm', 't', 'p', 'salt')
  const factor = {
    type: textLike(type, /^(passphrase|pin)$/) as 'passphrase' | 'pin',
    m: uintIn(m, 1, MAX_COST.m),
    t: uintIn(t, 1, MAX_COST.t),
    p: uintIn(p, 1, MAX_COST.p),
    salt: bytesOf(salt, SALT_BYTES),
  }
  if (!isAcceptableCost(factor)) throw damaged('the cost of a slot is out of range')
  return factor
}

/** Why a slot may not have this id or these factors; undefined if it may. */
function faultOf(slot: { id: string; kind: SlotKind; factors: { type: string }[] }): string | undefined {
  const types = slot.factors.map(factor => factor.type)
  if (!SLOT_ID.test(slot.id)) return 'the slot id is not allowed'
  if (new Set(types).size !== types.length) return 'a slot has a factor twice'
  if (slot.kind === 'passphrase') {
    return types.length === 1 && types[0] === 'passphrase'
      ? undefined
      : 'a passphrase slot has one passphrase'
  }
  // A PIN alone can be searched on a copy of the file, where nobody counts tries.
  return types.includes('pin') && types.length > 1 && !types.includes('passphrase')
    ? undefined
    : 'a staff slot has a pin and a host-share or device-secret'
}

/**
 * Makes a slot that wraps the data key.
 *
 * @param dataKey called after the slow part, so that a key which was locked away meanwhile is not used
 * @throws malformed-request for an id, kind, factor or cost that is not allowed
 */
export async function makeSlot(
  namespace: string,
  request: NewSlot,
  dataKey: () => Uint8Array,
  random: RandomBytes,
): Promise<Slot> {
  const { id, kind, factors, cost = DEFAULT_COST } = request
  if (kind !== 'passphrase' && kind !== 'staff') throw malformed('the kind of slot is not known')
  const fault = faultOf(request)
  if (fault !== undefined) throw malformed(fault)
  if (!isAcceptableCost(cost)) throw malformed('the cost of the slot is out of range')
  const { m, t, p } = cost
  const description: SlotDescription = {
    id,
    kind,
    factors: factors.map(({ type }) => {
      if (isTyped(type)) return { type, m, t, p, salt: random(SALT_BYTES) }
      if (type === 'host-share' || type === 'device-secret') return { type }
      throw malformed('the factor is not known')
    }),
  }
  const secrets = normaliseAll(factors)
  let key: Uint8Array | undefined
  try {
    key = await wrappingKey(namespace, description, secrets)
    const nonce = random(NONCE_BYTES)
    const sealed = gcmsiv(key, nonce, encodeCbor(slotToCbor(description))).encrypt(dataKey())
    return { ...description, wrapped: Buffer.concat([nonce, sealed]) }
  } finally {
    for (const secret of secrets) secret.fill(0)
    key?.fill(0)
  }
}

/**
 * The data key of a slot, or `null` if any factor is wrong. To be zeroed by the caller.
 *
 * @param secrets from {@link normaliseAll}, in the order of the slot's factors; zeroed by the caller
 */
export async function openSlot(
  namespace: string,
  slot: Slot,
  secrets: Uint8Array[],
): Promise<Uint8Array | null> {
  const { wrapped, ...description } = slot
  const key = await wrappingKey(namespace, description, secrets)
  try {
    const aad = encodeCbor(slotToCbor(description))
    return gcmsiv(key, wrapped.slice(0, NONCE_BYTES), aad).decrypt(wrapped.slice(NONCE_BYTES))
  } catch {
    return null
  } finally {
    key.fill(0)
  }
}

/**
 * Normalises each factor into a fresh copy; if one is malformed, the copies made so far are zeroed.
 *
 * @throws malformed-request
 */
export function normaliseAll(factors: Factor[]): Uint8Array[] {
  const secrets: Uint8Array[] = []
  try {
    for (const factor of factors) secrets.push(normalise(factor))
    return secrets
  } catch (error) {
    for (const secret of secrets) secret.fill(0)
    throw error
  }
}

/** HKDF-SHA256 (RFC 5869) over the factor outputs in order, bound to the slot's id and namespace. */
async function wrappingKey(
  namespace: string,
  description: SlotDescription,
  secrets: Uint8Array[],
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let material: Uint8Array | undefined
  try {
    for (const [i, factor] of description.factors.entries()) {
      parts.push(...framed(Buffer.from(factor.type)), ...framed(await factorOutput(factor, secrets[i]!)))
    }
    material = Buffer.concat(parts)
    const names = [description.id, namespace].flatMap(name => framed(Buffer.from(name)))
    const info = Buffer.concat([Buffer.from(INFO), ...names])
    return new Uint8Array(hkdfSync('sha256', material, new Uint8Array(), info, DATA_KEY_BYTES))
  } finally {
    for (const part of parts) part.fill(0)
    material?.fill(0)
  }
}

/** u16be(length) and the bytes: joined, such pairs can be read in one way only. */
function framed(bytes: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return [length, bytes]
}
