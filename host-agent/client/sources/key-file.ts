/**
 * The key file: private keys in JSON under a passphrase (docs/formats/key-file.md). Argon2id (RFC 9106) makes 32 bytes of the
 * passphrase, AES-256-GCM-SIV (RFC 8452) seals the keys with them; the header is its additional data. Of any text there is one
 * form: what parses is exactly what formatting the result gives again.
 */
import { randomBytes } from 'node:crypto'
import { gcmsiv } from '@noble/ciphers/aes.js'
import { fromBase64url, toBase64url } from '../../../protocol/bytes.ts'
import { decodeRing, encodeRing, type KeyRing } from './key-ring.ts'
import { SourceError } from './source.ts'
import { type Cost, SALT_BYTES, stretchPassphrase } from './stretch.ts'

/** How the passphrase of a file is stretched. */
export interface Header extends Cost {
  /** 16 bytes. */
  salt: Uint8Array
}

/** A key file in its parts. */
export interface KeyFile extends Header {
  /** 12 bytes, fresh for every writing. */
  nonce: Uint8Array
  /** Ciphertext ‖ tag. */
  sealed: Uint8Array
}

/** What new files cost: the second choice of RFC 9106 §4, on one lane. */
export const FILE_COST: Cost = { m: 65_536, t: 3, p: 1 }
/** Longest file, in bytes; the largest ring takes less. */
export const MAX_FILE_BYTES = 8_388_608

/** What a file may ask of this machine: it may have come from a stranger. Memory in KiB. */
const MOST: Cost = { m: 262_144, t: 16, p: 4 }
const FORMAT = 'keys/1'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Damage and a wrong passphrase are one error, since only the passphrase could tell them apart. */
export class KeyFileError extends SourceError {
  constructor(options?: ErrorOptions) {
    super('key-file-refused', undefined, {
      hint: 'type the passphrase again; if it is right, take the file from a copy',
      ...options,
    })
  }
}

/** A new header, with a fresh salt. */
export function newHeader(cost: Cost = FILE_COST, random: (n: number) => Uint8Array = randomBytes): Header {
  return { ...cost, salt: random(SALT_BYTES) }
}

/** @throws KeyFileError `key-file-refused` */
export function parseKeyFile(text: string): KeyFile {
  if (text.length > MAX_FILE_BYTES) throw new KeyFileError()
  let file: KeyFile
  try {
    const { kdf, nonce, sealed } = JSON.parse(text)
    const { m, t, p, salt } = kdf
    file = { m, t, p, salt: bytesOf(salt), nonce: bytesOf(nonce), sealed: bytesOf(sealed) }
    if (!isAffordable(file) || file.salt.length !== SALT_BYTES || file.nonce.length !== NONCE_BYTES)
      throw new RangeError('out of bounds')
    if (file.sealed.length < TAG_BYTES) throw new RangeError('too short')
    // Everything that is not read above has to be what is written here, in the same order and without anything else.
    if (formatKeyFile(file) !== text) throw new TypeError('not in its one form')
  } catch (cause) {
    throw new KeyFileError({ cause })
  }
  return file
}

export function formatKeyFile({ nonce, sealed, ...header }: KeyFile): string {
  const fields = { ...headerFields(header), nonce: toBase64url(nonce), sealed: toBase64url(sealed) }
  return `${JSON.stringify(fields, null, 2)}\n`
}

/**
 * @param key - 32 bytes, of {@link stretchHeader}
 * @param random - for the nonce
 */
export function sealKeyFile(
  ring: KeyRing,
  header: Header,
  key: Uint8Array,
  random: (n: number) => Uint8Array = randomBytes,
): KeyFile {
  const plaintext = encodeRing(ring)
  try {
    const nonce = Uint8Array.from(random(NONCE_BYTES))
    const { m, t, p, salt } = header
    return { m, t, p, salt, nonce, sealed: gcmsiv(key, nonce, additional(header)).encrypt(plaintext) }
  } finally {
    plaintext.fill(0)
  }
}

/**
 * @returns the caller's to zero
 * @throws KeyFileError `key-file-refused`
 */
export function openKeyFile(file: KeyFile, key: Uint8Array): KeyRing {
  try {
    const plaintext = gcmsiv(key, file.nonce, additional(file)).decrypt(file.sealed)
    try {
      const ring = decodeRing(plaintext)
      // The decoder may give views: what is zeroed below must not be what is handed out.
      for (const { versions } of ring.keys)
        for (const each of versions) each.pkcs8 = Uint8Array.from(each.pkcs8)
      return ring
    } finally {
      plaintext.fill(0)
    }
  } catch (cause) {
    throw new KeyFileError({ cause })
  }
}

/**
 * What seals the keys: 32 bytes, to be zeroed by the caller.
 * @throws SourceError `malformed-request`, `bad-source`
 */
export function stretchHeader(passphrase: string, header: Header): Promise<Uint8Array> {
  return stretchPassphrase(passphrase, header, header.salt)
}

function headerFields({ m, t, p, salt }: Header) {
  return {
    claviger: FORMAT,
    kdf: { name: 'argon2id', m, t, p, salt: toBase64url(salt) },
    cipher: 'aes-256-gcm-siv',
  }
}

function additional(header: Header): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(headerFields(header)))
}

function isAffordable({ m, t, p }: Cost): boolean {
  const within = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high
  return within(p, 1, MOST.p) && within(t, 1, MOST.t) && within(m, 8 * p, MOST.m)
}

function bytesOf(text: unknown): Uint8Array {
  const bytes = typeof text === 'string' ? fromBase64url(text) : null
  if (bytes === null) throw new TypeError('not base64url')
  return bytes
}
