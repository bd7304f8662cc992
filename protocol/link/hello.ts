/**
 * The payload of HELLO, the greeting by which two ends of a line know that they hear each other now and not the echo of
 * a dead process. docs/formats/link.md §3.
 *
 * `version u8 ‖ side u8 ‖ epoch u32be ‖ heard u32be ‖ u8(length) ‖ device id ‖ u8(length) ‖ state`
 */

import { LINK_VERSION } from './frame.ts'

/** Which end of the cable. Only the host opens sessions. */
export type Side = 'host' | 'device'

/** What an end says of itself. Both are UTF-8 text of at most 255 bytes; longer text is cut. */
export interface Greeting {
  /** The device's name, empty on the host. */
  readonly deviceId: string
  /** The device's state (`locked`, `operational` …), empty on the host. */
  readonly state: string
}

/** A HELLO as received or sent. */
export interface Hello extends Greeting {
  readonly version: number
  readonly side: Side
  /** Random, 1 to 2^32-1, new for every attached port. */
  readonly epoch: number
  /** The epoch that the sender last heard from the other side, 0 for none. */
  readonly heard: number
}

const SIDES: readonly Side[] = ['host', 'device']
const FIXED = 10

/** Writes the payload of a HELLO into `target` at `at` and returns its length. */
export function writeHello(hello: Hello, target: Buffer, at: number): number {
  target[at] = hello.version
  target[at + 1] = SIDES.indexOf(hello.side)
  target.writeUInt32BE(hello.epoch, at + 2)
  target.writeUInt32BE(hello.heard, at + 6)
  let end = at + FIXED
  for (const text of [hello.deviceId, hello.state]) {
    const length = target.write(text, end + 1, 255, 'utf8')
    target[end] = length
    end += 1 + length
  }
  return end - at
}

/** Reads the payload of a HELLO; `null` when it is malformed or of another version. */
export function readHello(payload: Buffer): Hello | null {
  if (payload.length < FIXED + 2 || payload[0] !== LINK_VERSION) return null
  const side = SIDES[payload[1]!]
  const epoch = payload.readUInt32BE(2)
  if (side === undefined || epoch === 0) return null
  const idEnd = FIXED + 1 + payload[FIXED]!
  if (idEnd >= payload.length) return null
  if (idEnd + 1 + payload[idEnd]! !== payload.length) return null
  return {
    version: LINK_VERSION,
    side,
    epoch,
    heard: payload.readUInt32BE(6),
    deviceId: payload.toString('utf8', FIXED + 1, idEnd),
    state: payload.toString('utf8', idEnd + 1),
  }
}
