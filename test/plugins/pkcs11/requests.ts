/** Requests as p11-kit's client writes them (docs/formats/pkcs11.md), and its way of reading answers. */
import { CKA, CKM } from '../../../host-agent/plugins/pkcs11/constants.ts'
import type { AttributeValue } from '../../../host-agent/plugins/pkcs11/wire/attributes.ts'
import { writeAttribute } from '../../../host-agent/plugins/pkcs11/wire/attributes.ts'
import { CALLS, type CallName } from '../../../host-agent/plugins/pkcs11/wire/calls.ts'
import { Reader } from '../../../host-agent/plugins/pkcs11/wire/reader.ts'
import { Writer } from '../../../host-agent/plugins/pkcs11/wire/writer.ts'

/** Part of a request. */
export type Part = (writer: Writer) => unknown

export const u =
  (value: number): Part =>
  w =>
    w.ulong(value)
export const y =
  (value: number): Part =>
  w =>
    w.byte(value)
export const ay =
  (value: Uint8Array | string): Part =>
  w =>
    w.byte(1).bytes(Buffer.from(value))
/** Room for bytes or numbers. */
export const room =
  (value: number): Part =>
  w =>
    w.uint32(value)
export const template =
  (...attributes: [number, AttributeValue][]): Part =>
  w => {
    w.uint32(attributes.length)
    for (const [type, value] of attributes) writeAttribute(w, type, value)
  }
export const wanted =
  (...types: number[]): Part =>
  w => {
    w.uint32(types.length)
    for (const type of types) w.uint32(type).uint32(0)
  }

/** A mechanism without parameters; clients that offer 2 write nothing for them. */
export const pkcs1 =
  (offered = 1): Part =>
  w => {
    w.uint32(CKM.RSA_PKCS)
    if (offered < 2) w.bytes(null)
  }
/** RSA-OAEP. */
export const oaep =
  ({
    hash = CKM.SHA256 as number,
    mgf = 2,
    source = 1,
    label = new Uint8Array() as Uint8Array,
    offered = 1,
  } = {}): Part =>
  w => {
    w.uint32(CKM.RSA_PKCS_OAEP)
    if (offered >= 2) w.byte(1)
    w.ulong(hash).ulong(mgf).ulong(source).bytes(label)
  }
/** ECDH. */
export const ecdh =
  (point: Uint8Array, { kdf = 1, shared = new Uint8Array() as Uint8Array, offered = 1 } = {}): Part =>
  w => {
    w.uint32(CKM.ECDH1_DERIVE)
    if (offered >= 2) w.byte(1)
    w.ulong(kdf).bytes(shared).bytes(point)
  }
/** What cancels an operation. */
export const noMechanism: Part = w => w.uint32(0xffff_ffff)

export const HANDSHAKE = 'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1'

/** Number of a call. */
export function idOf(name: CallName): number {
  return Number(Object.entries(CALLS).find(([, row]) => row[0] === name)![0])
}

/** The body of a request. */
export function request(name: CallName, ...parts: Part[]): Uint8Array {
  const id = idOf(name)
  const writer = new Writer().uint32(id).bytes(Buffer.from(CALLS[id as keyof typeof CALLS][1], 'latin1'))
  for (const part of parts) part(writer)
  return Uint8Array.from(writer.finish())
}

/** An answer: a return value, or results to read on. */
export type Answer = { rv: number } | { rv: 0; id: number; results: Reader }

/** Reads the head of an answer, as strictly as a client could. */
export function readAnswer(body: Uint8Array): Answer {
  const reader = new Reader(body)
  const id = reader.uint32()
  const signature = Buffer.from(reader.bytes()!).toString('latin1')
  if (id === 0) {
    const rv = reader.ulong()
    reader.end()
    if (signature !== 'u' || rv === 0) throw new TypeError('this is no refusal')
    return { rv }
  }
  if (signature !== CALLS[id as keyof typeof CALLS][2]) throw new TypeError('another signature')
  return { rv: 0, id, results: reader }
}

/** Reads bytes, or how many there would be. */
export function readBytes(reader: Reader): Uint8Array | number {
  if (reader.byte() === 0) return reader.uint32()
  return reader.bytes() ?? new Uint8Array()
}

/** Reads numbers, or how many there would be. */
export function readNumbers(reader: Reader): number[] | number {
  const isThere = reader.byte() !== 0
  const count = reader.uint32()
  return isThere ? Array.from({ length: count }, () => reader.ulong()) : count
}

/** One request of each kind that is answered. */
export function oneOfEach(offered = 1): Uint8Array[] {
  const bytes = Buffer.alloc(256, 7)
  return [
    request('initialize', ay(HANDSHAKE), y(0), ay('\0')),
    request('getInfo'),
    request('getSlotList', y(1), room(8)),
    request('getSlotInfo', u(1)),
    request('getTokenInfo', u(1)),
    request('getMechanismList', u(1), room(8)),
    request('getMechanismInfo', u(1), u(CKM.RSA_PKCS_OAEP)),
    request('openSession', u(1), u(4)),
    request('getSessionInfo', u(1)),
    request('login', u(1), u(1), ay('246810')),
    request('findObjectsInit', u(1), template([CKA.CLASS, 3], [CKA.TOKEN, true], [CKA.LABEL, bytes])),
    request('findObjects', u(1), room(16)),
    request('findObjectsFinal', u(1)),
    request('getAttributeValue', u(1), u(1), wanted(CKA.LABEL, CKA.MODULUS, CKA.KEY_TYPE, CKA.VALUE)),
    request('decryptInit', u(1), oaep({ label: bytes.subarray(0, 40), offered }), u(1)),
    request('decryptInit', u(1), pkcs1(offered), u(3)),
    request('decryptInit', u(1), noMechanism, u(3)),
    request('decrypt', u(1), ay(bytes), room(256)),
    request('decryptUpdate', u(1), ay(bytes.subarray(0, 100)), room(256)),
    request('decryptFinal', u(1), room(256)),
    request(
      'deriveKey',
      u(1),
      ecdh(bytes.subarray(0, 65), { offered }),
      u(5),
      template([CKA.CLASS, 4], [CKA.VALUE_LEN, 16], [CKA.ALLOWED_MECHANISMS, [1, 9]]),
    ),
    request('destroyObject', u(1), u(99)),
    request('logout', u(1)),
    request('closeSession', u(1)),
    request('closeAllSessions', u(1)),
    request('finalize'),
  ]
}
