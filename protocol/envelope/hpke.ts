/**
 * HPKE base mode, single shot (RFC 9180 §6.1): the interface that both implementations have, and what they share: the
 * labels of §4 and §5.1.
 *
 * {@link ./hpke-node.ts} is OpenSSL and the hot path; {@link ./hpke-noble.ts} is plain JavaScript for browsers and the
 * second opinion in tests. Only labels are shared, so that an error in one key schedule cannot hide in the other.
 */

import { concat } from '../bytes.ts'
import { AEADS, KDF_ID, KEMS, type Suite } from './suites.ts'

/** The two parts that travel. */
export interface Sealed {
  /** Encapsulated key, as long as the KEM says. */
  readonly enc: Uint8Array
  /** Ciphertext with its 16-byte tag at the end. */
  readonly ciphertext: Uint8Array
}

/** HPKE base mode for one suite. `PrivateKey` is how the implementation holds a recipient's key. */
export interface Hpke<PrivateKey> {
  readonly suite: Suite

  /**
   * Seals to a serialized public key (RFC 9180 §7.1.1) with fresh randomness.
   * @throws KeyError `bad-key` when the public key is not one.
   */
  seal(publicKey: Uint8Array, info: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Sealed

  /**
   * Opens what `seal` made.
   * @throws OpenError `open-failed`, whatever the reason.
   */
  open(
    privateKey: PrivateKey,
    enc: Uint8Array,
    info: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array
}

/** Bytes of an ASCII label. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0))
}

/** `mode_base` (RFC 9180 §5, table 1). */
export const MODE_BASE = 0x00

export const EMPTY = new Uint8Array(0)

const VERSION_LABEL = ascii('HPKE-v1')

/** `suite_id` of the key schedule (RFC 9180 §5.1). */
export function hpkeSuiteId(suite: Suite): Uint8Array {
  return concat(ascii('HPKE'), u16be(KEMS[suite.kem].id), u16be(KDF_ID), u16be(AEADS[suite.aead].id))
}

/** `suite_id` inside a DHKEM (RFC 9180 §4.1). */
export function kemSuiteId(kem: Suite['kem']): Uint8Array {
  return concat(ascii('KEM'), u16be(KEMS[kem].id))
}

/** What `LabeledExtract` puts before the input keying material (RFC 9180 §4). */
export function extractPrefix(suiteId: Uint8Array, label: string): Uint8Array {
  return concat(VERSION_LABEL, suiteId, ascii(label))
}

/** What `LabeledExpand` puts before the info (RFC 9180 §4); `length` in bytes. */
export function expandPrefix(suiteId: Uint8Array, label: string, length: number): Uint8Array {
  return concat(u16be(length), VERSION_LABEL, suiteId, ascii(label))
}

function u16be(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
