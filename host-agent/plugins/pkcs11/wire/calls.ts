/** The calls: their numbers, and how their arguments and results are written. docs/formats/pkcs11.md, "Calls". */
import { CKR, refuse } from '../constants.ts'
import { readTemplate, readWanted, type Template, type Wanted } from './attributes.ts'
import { type Mechanism, readMechanism } from './mechanism.ts'
import { Malformed, Reader } from './reader.ts'
import { Writer } from './writer.ts'

/**
 * What is answered, by number: name, signature of the arguments, signature of the results. `u` is a number, `y` a byte, `ay` bytes,
 * `fy` and `fu` the room for bytes and numbers, `aA` a template, `fA` wanted attributes, `M` a mechanism; of results also `s`
 * padded text and `v` a version.
 */
export const CALLS = {
  1: ['initialize', 'ayyay', ''],
  2: ['finalize', '', ''],
  3: ['getInfo', '', 'vsusv'],
  4: ['getSlotList', 'yfu', 'au'],
  5: ['getSlotInfo', 'u', 'ssuvv'],
  6: ['getTokenInfo', 'u', 'ssssuuuuuuuuuuuvvs'],
  7: ['getMechanismList', 'ufu', 'au'],
  8: ['getMechanismInfo', 'uu', 'uuu'],
  10: ['openSession', 'uu', 'u'],
  11: ['closeSession', 'u', ''],
  12: ['closeAllSessions', 'u', ''],
  13: ['getSessionInfo', 'u', 'uuuu'],
  18: ['login', 'uuay', ''],
  19: ['logout', 'u', ''],
  22: ['destroyObject', 'uu', ''],
  24: ['getAttributeValue', 'uufA', 'aAu'],
  26: ['findObjectsInit', 'uaA', ''],
  27: ['findObjects', 'ufu', 'au'],
  28: ['findObjectsFinal', 'u', ''],
  33: ['decryptInit', 'uMu', ''],
  34: ['decrypt', 'uayfy', 'ay'],
  35: ['decryptUpdate', 'uayfy', 'ay'],
  36: ['decryptFinal', 'ufy', 'ay'],
  62: ['deriveKey', 'uMuaA', 'u'],
} as const satisfies Record<number, readonly [string, string, string]>

/** Name of a call. */
export type CallName = (typeof CALLS)[keyof typeof CALLS][0]

type Rows = (typeof CALLS)[keyof typeof CALLS]
type SignatureOf<N extends CallName> = Extract<Rows, readonly [N, string, string]>[1]
interface Parts {
  ay: Uint8Array | null
  aA: Template
  fA: Wanted[]
  fy: Room
  fu: number
  u: number
  y: number
  M: Mechanism | null
}
type Split<S extends string> = S extends ''
  ? []
  : S extends `${infer P extends keyof Parts}${infer Rest}`
    ? P extends 'ay' | 'aA' | 'fA' | 'fy' | 'fu' | 'u' | 'y' | 'M'
      ? [Parts[P], ...Split<Rest>]
      : never
    : S extends `${infer A}${infer B}${infer Rest}`
      ? `${A}${B}` extends keyof Parts
        ? [Parts[`${A}${B}`], ...Split<Rest>]
        : never
      : never

/** Arguments of a call. */
export type ArgumentsOf<N extends CallName> = Split<SignatureOf<N>>

/** Room for bytes: `null` asks only how many it would be. */
export type Room = number | null

/** A call with its arguments. */
export type Call = { [N in CallName]: { name: N; id: number; args: ArgumentsOf<N> } }[CallName]

const EMPTY_BUT_THERE = 0xffff_ffff

/**
 * Reads a request.
 * @param offered - version that the client offered
 * @throws Malformed; Refusal for a call or a mechanism that is not answered here
 */
export function readCall(body: Uint8Array, offered: number): Call {
  const reader = new Reader(body)
  const id = reader.uint32()
  const signature = reader.bytes()
  const row = Object.hasOwn(CALLS, id) ? CALLS[id as keyof typeof CALLS] : undefined
  // also what newer versions call; there is nothing to be learned from its arguments
  if (!row || id === 0) return refuse(CKR.FUNCTION_NOT_SUPPORTED)
  const [name, expected] = row
  if (!signature || Buffer.from(signature).toString('latin1') !== expected)
    throw new Malformed('another signature')
  const args = parts(expected).map(part => readPart(reader, part, offered))
  reader.end()
  return { name, id, args } as unknown as Call
}

function parts(signature: string): (keyof Parts)[] {
  return (signature.match(/[af]?[a-zA-Z]/g) ?? []) as (keyof Parts)[]
}

function readPart(reader: Reader, part: keyof Parts, offered: number): Parts[keyof Parts] {
  switch (part) {
    case 'u':
      return reader.ulong()
    case 'y':
      return reader.byte()
    case 'ay':
      if (reader.byte() !== 0) return reader.bytes()
      reader.uint32()
      return null
    case 'fy': {
      const room = reader.uint32()
      return room === 0 ? null : room === EMPTY_BUT_THERE ? 0 : room
    }
    case 'fu':
      return reader.uint32()
    case 'aA':
      return readTemplate(reader)
    case 'fA':
      return readWanted(reader)
    case 'M':
      return readMechanism(reader, offered)
  }
}

/** Begins the answer to a call; its results follow. */
export function beginAnswer(id: number): Writer {
  const signature = CALLS[id as keyof typeof CALLS][2]
  return new Writer().uint32(id).bytes(Buffer.from(signature, 'latin1'))
}

/** The answer to a call that was refused. */
export function errorAnswer(rv: number): Uint8Array {
  return new Writer().uint32(0).bytes(Buffer.from('u', 'latin1')).ulong(rv).finish()
}
