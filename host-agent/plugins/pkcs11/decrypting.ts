/** One decryption of a session, from C_DecryptInit to its result. */
import { CKG, CKM, CKR, CKZ_DATA_SPECIFIED, refuse } from './constants.ts'
import { readContextLabel } from './context-label.ts'
import type { RsaKey } from './objects.ts'
import type { Mechanism } from './wire/mechanism.ts'

/** Opens one block. */
export type Open = (key: RsaKey, record: string, block: Uint8Array) => Promise<Uint8Array>

const OAEP = {
  oaep: { hash: CKM.SHA_1, mgf: CKG.MGF1_SHA1 },
  'oaep-sha256': { hash: CKM.SHA256, mgf: CKG.MGF1_SHA256 },
} as const

/**
 * The record of the place that a mechanism's label says; empty where the key's values are bound to none.
 * @param namespace - of the enrolment
 * @throws Refusal for another padding than the key's, or a label that says no place of this key
 */
export function recordOf(mechanism: Mechanism, key: RsaKey, namespace: string): string {
  if (key.padding === 'pkcs1') {
    if (mechanism.type !== CKM.RSA_PKCS) refuse(CKR.MECHANISM_INVALID)
    return ''
  }
  if (mechanism.type !== CKM.RSA_PKCS_OAEP) return refuse(CKR.MECHANISM_INVALID)
  const { hash, mgf, source, label } = mechanism
  const wanted = OAEP[key.padding]
  // some applications leave out the source where there is no label, and the mask's hash where it is the other one
  const isSourced = source === CKZ_DATA_SPECIFIED || (source === 0 && label.length === 0)
  const isMasked = mgf === wanted.mgf || mgf === 0
  if (hash !== wanted.hash || !isMasked || !isSourced) refuse(CKR.MECHANISM_PARAM_INVALID)
  if (!key.isBound) {
    if (Buffer.compare(label, Buffer.from(key.label)) !== 0) refuse(CKR.MECHANISM_PARAM_INVALID)
    return ''
  }
  const place = readContextLabel(label)
  if (!place || place.namespace !== namespace || place.key !== key.name || place.field !== key.field)
    return refuse(CKR.MECHANISM_PARAM_INVALID)
  return place.record
}

/** See the head of this file. */
export class Decrypting {
  readonly #key: RsaKey
  readonly #record: string
  readonly #block: Uint8Array
  #length = 0
  #result: Uint8Array | null = null

  /** @param record - as {@link recordOf} says */
  constructor(key: RsaKey, record: string) {
    this.#key = key
    this.#record = record
    this.#block = new Uint8Array(Math.ceil(key.bits / 8))
  }

  /** Bytes that a result has at most. */
  get most(): number {
    return this.#block.length
  }

  /** Takes a part of the block. @throws Refusal for more than there can be */
  take(part: Uint8Array): void {
    if (this.#length + part.length > this.#block.length) refuse(CKR.ENCRYPTED_DATA_LEN_RANGE)
    this.#block.set(part, this.#length)
    this.#length += part.length
  }

  /**
   * The result; the device is asked once, however often an application asks for it in larger buffers.
   * @throws Refusal
   */
  async result(open: Open): Promise<Uint8Array> {
    if (this.#result) return this.#result
    if (this.#length !== this.#block.length) refuse(CKR.ENCRYPTED_DATA_LEN_RANGE)
    this.#result = await open(this.#key, this.#record, this.#block)
    return this.#result
  }

  /** Whether there is a result that did not fit before. */
  get isOpened(): boolean {
    return this.#result !== null
  }

  /** Forgets the plaintext. */
  end(): void {
    this.#result?.fill(0)
    this.#result = null
  }
}
