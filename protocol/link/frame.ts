/**
 * One frame of the serial link: `kind u8 ‖ session u32be ‖ payload ≤ 4096 ‖ crc32 u32be`, and the payload of each kind.
 * docs/formats/link.md §2.
 *
 * The parser is strict and never throws: bytes that are not a frame are a {@link Discard}, a value that is counted.
 */

import { crc32 } from 'node:zlib'
import { cobsBound, decodeCobs, encodeCobs } from './cobs.ts'

/** Version of the link protocol, carried in every HELLO. */
export const LINK_VERSION = 1

/** The kinds of frame, by name. */
export const KIND = {
  HELLO: 1,
  OPEN: 2,
  DATA: 3,
  CREDIT: 4,
  CLOSE: 5,
  RESET: 6,
  PING: 7,
  PONG: 8,
} as const

/** The byte that names the kind of a frame. */
export type Kind = (typeof KIND)[keyof typeof KIND]

/** Bytes before the payload: kind and session. */
export const HEAD = 5
/** Largest payload of a frame, bytes. */
export const MAX_PAYLOAD = 4096
/** Bytes of the stream offset at the head of a DATA payload. */
export const OFFSET = 4
const CRC = 4
/** Largest frame before COBS, bytes. */
export const MAX_FRAME = HEAD + MAX_PAYLOAD + CRC
/** Largest frame on the wire without its final zero, bytes. */
export const MAX_ENCODED = cobsBound(MAX_FRAME)

/** A well-formed frame. `session` is 0 for HELLO, PING and PONG and never 0 otherwise. */
export interface Frame {
  readonly kind: Kind
  readonly session: number
  /** Owned by the receiver of the frame. */
  readonly payload: Buffer
}

/** Why bytes between two zeros were not a frame. */
export type DiscardReason = 'cobs' | 'short' | 'crc' | 'kind' | 'payload' | 'too-long'

/** Bytes that were not a frame. */
export interface Discard {
  readonly discard: DiscardReason
  /** How many bytes were dropped. */
  readonly bytes: number
}

/** Payload length of each kind, bytes: least and most. Index is the kind. */
const PAYLOAD: readonly (readonly [number, number])[] = [
  [0, -1],
  [8, MAX_PAYLOAD],
  [0, 0],
  [OFFSET, MAX_PAYLOAD],
  [4, 4],
  [4, 4],
  [0, 0],
  [4, 4],
  [4, 4],
]

/** A buffer in which {@link encodeFrame} finds the payload at {@link HEAD}. */
export function frameBuffer(): Buffer {
  return Buffer.alloc(MAX_FRAME)
}

/**
 * Writes one frame with its final zero into `target` from `at` on. The payload of `length` bytes already stands in
 * `raw` (a {@link frameBuffer}) at {@link HEAD}; the rest of `raw` is overwritten.
 *
 * @returns the position after the final zero
 */
export function encodeFrame(
  kind: Kind,
  session: number,
  raw: Buffer,
  length: number,
  target: Buffer,
  at: number,
): number {
  raw[0] = kind
  raw.writeUInt32BE(session, 1)
  const body = HEAD + length
  raw.writeUInt32BE(crc32(raw.subarray(0, body)), body)
  const end = encodeCobs(raw.subarray(0, body + CRC), target, at)
  target[end] = 0
  return end + 1
}

/** Parses the bytes between two zeros. The payload of the frame is a copy. */
export function parseFrame(encoded: Buffer): Frame | Discard {
  const bytes = encoded.length
  if (bytes > MAX_ENCODED) return { discard: 'too-long', bytes }
  const raw = Buffer.allocUnsafe(bytes)
  const length = decodeCobs(encoded, raw)
  if (length < 0) return { discard: 'cobs', bytes }
  if (length < HEAD + CRC) return { discard: 'short', bytes }
  if (length > MAX_FRAME) return { discard: 'too-long', bytes }
  const body = length - CRC
  if (raw.readUInt32BE(body) !== crc32(raw.subarray(0, body))) return { discard: 'crc', bytes }
  const kind = raw[0]!
  const limits = kind === 0 ? undefined : PAYLOAD[kind]
  if (limits === undefined) return { discard: 'kind', bytes }
  const session = raw.readUInt32BE(1)
  const payload = raw.subarray(HEAD, body)
  const linkWide = kind === KIND.HELLO || kind >= KIND.PING
  if (linkWide !== (session === 0) || payload.length < limits[0] || payload.length > limits[1]) {
    return { discard: 'payload', bytes }
  }
  return { kind: kind as Kind, session, payload }
}
