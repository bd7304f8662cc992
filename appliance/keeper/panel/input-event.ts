/**
 * Reads what an input device of the kernel tells: `struct input_event` (Linux, include/uapi/linux/input.h) as 64-bit
 * kernels write it, 24 bytes: seconds and microseconds (i64), type and code (u16), value (i32), little-endian.
 */

/** Bytes of one event. */
export const EVENT_BYTES = 24

const EV_SYN = 0
const EV_KEY = 1
/** The kernel had no room and dropped events: how the keys stand is not known. */
const SYN_DROPPED = 3
const UP = 0
const DOWN = 1

/** A key that went down or up, or `dropped`. */
export type KeyEvent =
  | { readonly kind: 'key'; readonly code: number; readonly isDown: boolean; readonly wall: number }
  | { readonly kind: 'dropped' }

/** Cuts bytes into events, however they arrive. Everything that is not about keys is passed over. */
export class InputEvents {
  #rest: Uint8Array = new Uint8Array()

  /** The events that these bytes complete; `wall` is ms since 1970 by the kernel's clock. */
  push(bytes: Uint8Array): KeyEvent[] {
    const all = Buffer.concat([this.#rest, bytes])
    const whole = all.length - (all.length % EVENT_BYTES)
    this.#rest = all.subarray(whole)
    const events: KeyEvent[] = []
    for (let at = 0; at < whole; at += EVENT_BYTES) {
      const event = readEvent(all.subarray(at, at + EVENT_BYTES))
      if (event) events.push(event)
    }
    return events
  }

  /** Forgets a part of an event, as when the device was opened anew. */
  clear(): void {
    this.#rest = new Uint8Array()
  }
}

/** @returns `null` for an event that is not about a key, and for the repetition of one that is held */
function readEvent(bytes: Buffer): KeyEvent | null {
  const type = bytes.readUInt16LE(16)
  const code = bytes.readUInt16LE(18)
  const value = bytes.readInt32LE(20)
  if (type === EV_SYN && code === SYN_DROPPED) return { kind: 'dropped' }
  if (type !== EV_KEY || (value !== UP && value !== DOWN)) return null
  const wall = Number(bytes.readBigInt64LE(0)) * 1000 + Number(bytes.readBigInt64LE(8)) / 1000
  return { kind: 'key', code, isDown: value === DOWN, wall }
}

/** The bytes of an event, as the kernel writes them. */
export function formatEvent(code: number, isDown: boolean, wall = 0): Uint8Array {
  const bytes = Buffer.alloc(EVENT_BYTES)
  bytes.writeBigInt64LE(BigInt(Math.floor(wall / 1000)), 0)
  bytes.writeBigInt64LE(BigInt(Math.round((wall % 1000) * 1000)), 8)
  bytes.writeUInt16LE(EV_KEY, 16)
  bytes.writeUInt16LE(code, 18)
  bytes.writeInt32LE(isDown ? DOWN : UP, 20)
  return bytes
}
