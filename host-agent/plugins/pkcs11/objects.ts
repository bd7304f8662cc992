/** What a token holds: for each version of a key that a purpose may use a private and a public object. Pure. */
import { createHash, createPublicKey } from 'node:crypto'
import type { LegacyPadding } from '../../../protocol/api/routes.ts'
import type { KeyInfo, MyGrants } from '../../../protocol/api/schemas.ts'
import { concat } from '../../../protocol/bytes.ts'
import { pemOf } from '../../../protocol/envelope/jwk.ts'
import { keptFields } from '../../../protocol/envelope/legacy-payload.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import { CKA, CKK, CKM, CKO } from './constants.ts'
import type { AttributeValue } from './wire/attributes.ts'

/** An imported RSA key, and which field of what it opens is given. */
export interface RsaKey {
  readonly kind: 'rsa'
  readonly name: string
  readonly field: string
  readonly bits: number
  readonly padding: LegacyPadding
  /** Of OAEP, where it is always the same. */
  readonly label: string
  /** The label is the context of each value. */
  readonly isBound: boolean
}

/** A key that agrees on raw secrets. */
export interface DerivingKey {
  readonly kind: 'derive'
  readonly name: string
  readonly version: number
  readonly suite: 'x' | 'p'
}

/** An object of a token. */
export interface TokenObject {
  readonly handle: number
  /** Seen and used only after a login. */
  readonly isPrivate: boolean
  readonly attributes: ReadonlyMap<number, AttributeValue>
  readonly key: RsaKey | DerivingKey
}

/** Numbers for objects that stay the same for as long as the server runs. */
export class Handles {
  readonly #known = new Map<string, number>()
  #last = 0

  of(name: string): number {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const handle = this.next()
    this.#known.set(name, handle)
    return handle
  }

  /** One that no object had before. */
  next(): number {
    return ++this.#last
  }
}

/** DER: OIDs of the curves (RFC 5480 §2.1.1.1, RFC 8410 §3), and the head of an OCTET STRING that is shorter than 128 bytes. */
const CURVES = {
  p: { type: CKK.EC, params: Buffer.from('06082a8648ce3d030107', 'hex') },
  x: { type: CKK.EC_MONTGOMERY, params: Buffer.from('06032b656e', 'hex') },
} as const
const OCTET_STRING = 0x04

/** Purposes of an operator under which this door has something to do, sorted. */
export function purposesOf({ grants }: MyGrants): string[] {
  const fitting = grants.filter(({ reveal }) => reveal.includes('full') || reveal.includes('derive'))
  return [...new Set(fitting.flatMap(({ purposes }) => purposes))].sort()
}

/** The objects of the token of a purpose: keys by name, of each the newest version first, the private object before the public one. */
export function objectsFor(
  purpose: string,
  { grants }: Pick<MyGrants, 'grants'>,
  keys: readonly KeyInfo[],
  handles: Handles,
): TokenObject[] {
  const mayUse = (key: string, how: 'full' | 'derive') =>
    grants.some(grant => grant.key === key && grant.purposes.includes(purpose) && grant.reveal.includes(how))
  return [...keys]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(info => {
      const versions = info.versions.filter(({ opens }) => opens).reverse()
      if (info.legacy && mayUse(info.name, 'full'))
        return versions.flatMap(version => rsaObjects(info, info.legacy!, version, handles))
      const isCurve = info.suite === 'x' || info.suite === 'p'
      if (info.use !== 'derive' || !isCurve || !mayUse(info.name, 'derive')) return []
      return versions.flatMap(version => curveObjects(info, version, handles))
    })
}

type Version = KeyInfo['versions'][number]

function rsaObjects(
  { name }: KeyInfo,
  legacy: NonNullable<KeyInfo['legacy']>,
  { version, publicKey }: Version,
  handles: Handles,
): TokenObject[] {
  const key = createPublicKey(publicKey)
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  const spki = key.export({ type: 'spki', format: 'der' })
  const fields = keptFields(legacy)
  const mechanism = legacy.padding === 'pkcs1' ? CKM.RSA_PKCS : CKM.RSA_PKCS_OAEP
  const shared: [number, AttributeValue][] = [
    [CKA.KEY_TYPE, CKK.RSA],
    [CKA.MODULUS, Buffer.from(n, 'base64url')],
    [CKA.PUBLIC_EXPONENT, Buffer.from(e, 'base64url')],
    [CKA.PUBLIC_KEY_INFO, spki],
    [CKA.ALLOWED_MECHANISMS, [mechanism]],
  ]
  return fields.flatMap(field => {
    const rsa: RsaKey = {
      kind: 'rsa',
      name,
      field,
      bits: legacy.bits,
      padding: legacy.padding,
      label: legacy.label ?? '',
      isBound: legacy.bound ?? false,
    }
    // a value of several parts has an object for each of them
    const label = fields.length > 1 ? `${name}/${field}` : name
    return pair({
      id: `${name}@${version}/${field}`,
      label,
      spki,
      key: rsa,
      shared,
      ofPrivate: [[CKA.DECRYPT, true]],
      ofPublic: [
        [CKA.ENCRYPT, true],
        [CKA.MODULUS_BITS, legacy.bits],
      ],
      handles,
    })
  })
}

function curveObjects({ name }: KeyInfo, { version, publicKey }: Version, handles: Handles): TokenObject[] {
  const parsed = parsePublicKey(publicKey)
  const { suite, bytes } = parsed
  if (suite === 'q') return []
  const spki = createPublicKey(pemOf(parsed)!).export({ type: 'spki', format: 'der' })
  const { type, params } = CURVES[suite]
  return pair({
    id: `${name}@${version}`,
    label: name,
    spki,
    key: { kind: 'derive', name, version, suite },
    shared: [
      [CKA.KEY_TYPE, type],
      [CKA.EC_PARAMS, params],
      [CKA.EC_POINT, concat(Uint8Array.of(OCTET_STRING, bytes.length), bytes)],
      [CKA.PUBLIC_KEY_INFO, spki],
      [CKA.ALLOWED_MECHANISMS, [CKM.ECDH1_DERIVE]],
    ],
    ofPrivate: [[CKA.DERIVE, true]],
    ofPublic: [[CKA.DERIVE, false]],
    handles,
  })
}

/** Of {@link pair}. */
interface Pair {
  /** What tells it from all others. */
  id: string
  label: string
  spki: Uint8Array
  key: RsaKey | DerivingKey
  shared: [number, AttributeValue][]
  ofPrivate: [number, AttributeValue][]
  ofPublic: [number, AttributeValue][]
  handles: Handles
}

const ID_BYTES = 20
const NO = [CKA.WRAP, CKA.UNWRAP, CKA.SIGN, CKA.SIGN_RECOVER, CKA.VERIFY, CKA.VERIFY_RECOVER]

function pair({ id, label, spki, key, shared, ofPrivate, ofPublic, handles }: Pair): TokenObject[] {
  const hash = createHash('sha256').update(spki).update(id).digest().subarray(0, ID_BYTES)
  const both: [number, AttributeValue][] = [
    [CKA.TOKEN, true],
    [CKA.MODIFIABLE, false],
    [CKA.LOCAL, false],
    [CKA.LABEL, Buffer.from(label)],
    [CKA.ID, hash],
    [CKA.SUBJECT, new Uint8Array()],
    [CKA.ENCRYPT, false],
    [CKA.DECRYPT, false],
    [CKA.DERIVE, false],
    ...NO.map((type): [number, AttributeValue] => [type, false]),
    ...shared,
  ]
  const hidden: [number, AttributeValue][] = [
    [CKA.SENSITIVE, true],
    [CKA.ALWAYS_SENSITIVE, true],
    [CKA.EXTRACTABLE, false],
    [CKA.NEVER_EXTRACTABLE, true],
    [CKA.ALWAYS_AUTHENTICATE, false],
  ]
  const make = (isPrivate: boolean, more: [number, AttributeValue][]): TokenObject => ({
    handle: handles.of(`${isPrivate ? 'private' : 'public'} ${id}`),
    isPrivate,
    key,
    attributes: new Map([
      [CKA.CLASS, isPrivate ? CKO.PRIVATE_KEY : CKO.PUBLIC_KEY],
      [CKA.PRIVATE, isPrivate],
      ...both,
      ...more,
    ]),
  })
  return [make(true, [...hidden, ...ofPrivate]), make(false, ofPublic)]
}
