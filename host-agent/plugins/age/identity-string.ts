/**
 * What names a key of a device to age: `AGE-PLUGIN-CLAVIGER-1…`. It is no secret. It says where the key is, how it is asked for, and its
 * public half; without the enrolment that it names, on this machine, it opens nothing. docs/age.md, "What an identity is".
 */
import { concat } from '../../../protocol/bytes.ts'
import { bech32Decode, bech32Encode } from '../../../protocol/envelope/age/bech32.ts'
import { isName } from '../../../protocol/envelope/context.ts'
import type { SuiteLetter } from '../../../protocol/envelope/suites.ts'

/** One version of a key, and who asks for it. */
export interface AgeIdentity {
  /** Serial number of the device. */
  readonly serial: string
  /** Name of the enrolment on this machine. */
  readonly enrolment: string
  readonly key: string
  readonly version: number
  /** For which it is opened, as a grant names it. */
  readonly purpose: string
  readonly suite: SuiteLetter
  /** Serialized as RFC 9180 §7.1.1 and draft-connolly-cfrg-xwing-kem §5.2 say. */
  readonly publicKey: Uint8Array
}

/** As the name of the plugin's program ends. */
export const PLUGIN = 'claviger'
/** Purpose of an identity unless another one is told. */
export const DEFAULT_PURPOSE = 'files'

const PREFIX = `age-plugin-${PLUGIN}-`
const FORM = 1
const LETTERS = ['x', 'p', 'q'] as const
/** Bytes. */
const PUBLIC_LENGTHS = { x: 32, p: 65, q: 1216 } as const
const SERIAL_BYTES = 8
/** Form, suite, serial number and version, bytes. */
const HEAD = 2 + SERIAL_BYTES + 4
const MAX_VERSION = 0x7fff_ffff
/** Characters of the longest: names of 32, a key of suite q. */
const MAX_LENGTH = 2300

export function formatIdentity(identity: AgeIdentity): string {
  const { serial, suite, version, publicKey, enrolment, key, purpose } = identity
  const number = Buffer.alloc(4)
  number.writeUInt32BE(version)
  const names = [enrolment, key, purpose].map(name => Buffer.from(name, 'latin1'))
  return bech32Encode(
    PREFIX,
    concat(
      Uint8Array.of(FORM, LETTERS.indexOf(suite)),
      Buffer.from(serial, 'hex'),
      number,
      ...names.flatMap(name => [Uint8Array.of(name.length), name]),
      publicKey,
    ),
  ).toUpperCase()
}

/** @returns `null` for text that {@link formatIdentity} does not give */
export function parseIdentity(text: string): AgeIdentity | null {
  if (text.length > MAX_LENGTH || text !== text.toUpperCase()) return null
  const decoded = bech32Decode(text.toLowerCase())
  if (decoded?.prefix !== PREFIX) return null
  const { bytes } = decoded
  const suite = LETTERS[bytes[1] ?? LETTERS.length]
  if (bytes[0] !== FORM || suite === undefined || bytes.length < HEAD) return null
  const serial = Buffer.from(bytes.subarray(2, 2 + SERIAL_BYTES)).toString('hex')
  const version = Buffer.from(bytes.subarray(2 + SERIAL_BYTES, HEAD)).readUInt32BE()
  const [enrolment, afterEnrolment] = readName(bytes, HEAD)
  const [key, afterKey] = readName(bytes, afterEnrolment)
  const [purpose, end] = readName(bytes, afterKey)
  const publicKey = bytes.slice(end)
  const isWhole = [enrolment, key, purpose].every(isName) && publicKey.length === PUBLIC_LENGTHS[suite]
  if (!isWhole || version < 1 || version > MAX_VERSION) return null
  return { serial, enrolment, key, version, purpose, suite, publicKey }
}

function readName(bytes: Uint8Array, at: number): [name: string, end: number] {
  const end = at + 1 + (bytes[at] ?? 0)
  return [Buffer.from(bytes.subarray(at + 1, end)).toString('latin1'), end]
}
