/** C_DeriveKey: what is agreed with, and the object that comes of it. */
import { CKA, CKD_NULL, CKK, CKM, CKO, CKR, refuse } from './constants.ts'
import type { DerivingKey } from './objects.ts'
import type { AttributeValue, Template } from './wire/attributes.ts'
import type { Mechanism } from './wire/mechanism.ts'

/** Bytes of a public key, as RFC 9180 §7.1.1 writes it. */
const POINT_BYTES = { x: 32, p: 65 } as const
const OCTET_STRING = 0x04
/** Bytes of the secret. */
const MOST = 32

/**
 * The other side's public key: raw, or as an OCTET STRING in DER.
 * @throws Refusal for another function, shared data, or another length
 */
export function peerOf(mechanism: Mechanism | null, key: DerivingKey): Uint8Array {
  if (mechanism?.type !== CKM.ECDH1_DERIVE) return refuse(CKR.MECHANISM_INVALID)
  const { kdf, shared, point } = mechanism
  const length = POINT_BYTES[key.suite]
  // a key derivation function would have to be run on this machine: the application can do that as well
  if (kdf !== CKD_NULL || shared.length !== 0) refuse(CKR.MECHANISM_PARAM_INVALID)
  const isWrapped = point.length === length + 2 && point[0] === OCTET_STRING && point[1] === length
  const raw = isWrapped ? point.subarray(2) : point
  return raw.length === length ? raw : refuse(CKR.MECHANISM_PARAM_INVALID)
}

/** How long a secret is wanted, held against what the template may ask. @throws Refusal `TEMPLATE_INCONSISTENT` */
export function lengthOf(template: Template): number {
  const no = (type: number, value: AttributeValue) => {
    if (template.get(type) === value) refuse(CKR.TEMPLATE_INCONSISTENT)
  }
  no(CKA.TOKEN, true)
  // the application gets the secret itself, for nothing here computes with it: it must not believe otherwise
  no(CKA.SENSITIVE, true)
  no(CKA.EXTRACTABLE, false)
  const isSecret = template.get(CKA.CLASS) ?? CKO.SECRET_KEY
  const type = template.get(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET
  const length = template.get(CKA.VALUE_LEN) ?? MOST
  const isLength = typeof length === 'number' && length >= 1 && length <= MOST
  if (isSecret !== CKO.SECRET_KEY || typeof type !== 'number' || !isLength) refuse(CKR.TEMPLATE_INCONSISTENT)
  return length as number
}

/** Attributes of the session's object. @param value - its own from here on */
export function secretAttributes(template: Template, value: Uint8Array): Map<number, AttributeValue> {
  const bytesOf = (type: number) => {
    const given = template.get(type)
    return given instanceof Uint8Array ? Uint8Array.from(given) : new Uint8Array()
  }
  return new Map<number, AttributeValue>([
    [CKA.CLASS, CKO.SECRET_KEY],
    [CKA.KEY_TYPE, template.get(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET],
    [CKA.TOKEN, false],
    [CKA.PRIVATE, true],
    [CKA.MODIFIABLE, false],
    [CKA.LOCAL, false],
    [CKA.LABEL, bytesOf(CKA.LABEL)],
    [CKA.ID, bytesOf(CKA.ID)],
    [CKA.SENSITIVE, false],
    [CKA.ALWAYS_SENSITIVE, false],
    [CKA.EXTRACTABLE, true],
    [CKA.NEVER_EXTRACTABLE, false],
    [CKA.VALUE_LEN, value.length],
    [CKA.VALUE, value],
  ])
}
