/**
 * Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): writes any bytes without a zero byte, so that a zero can
 * end a frame. docs/formats/link.md §1.
 *
 * Both directions look for zeros with `indexOf` and move whole runs, so they stay fast in a process without a JIT.
 */

/** Longest run of non-zero bytes that one code byte can announce. */
const RUN = 254

/** Below this length a loop is cheaper than a native copy. */
const SHORT = 16

/** The most bytes that {@link encodeCobs} writes for an input of `length` bytes. */
export function cobsBound(length: number): number {
  return length + Math.floor(length / RUN) + 1
}

/**
 * Encodes `source` into `target` from `at` on, without the zero that ends a frame.
 *
 * @returns the position after the last byte written
 */
export function encodeCobs(source: Buffer, target: Buffer, at: number): number {
  const length = source.length
  let from = 0
  let out = at
  let zero = -1
  for (;;) {
    if (zero < from) {
      zero = source.indexOf(0, from)
      if (zero < 0) zero = length
    }
    const run = Math.min(zero - from, RUN)
    target[out++] = run + 1
    out = move(source, from, from + run, target, out)
    from += run
    if (from === length) return out
    // a full run stands for its bytes alone; a shorter one also stands for the zero behind it
    if (run < RUN && ++from === length) {
      target[out++] = 1
      return out
    }
  }
}

/**
 * Decodes `source` (one frame, without its final zero) into `target` from 0 on. `target` needs `source.length` bytes.
 *
 * @returns the number of bytes decoded, or -1 when `source` is not COBS
 */
export function decodeCobs(source: Buffer, target: Buffer): number {
  const length = source.length
  if (length === 0 || source.includes(0)) return -1
  let from = 0
  let out = 0
  for (;;) {
    const code = source[from]!
    const end = from + code
    if (end > length) return -1
    out = move(source, from + 1, end, target, out)
    from = end
    if (from === length) return out
    if (code <= RUN) target[out++] = 0
  }
}

function move(source: Buffer, from: number, to: number, target: Buffer, at: number): number {
  if (to - from > SHORT) return at + source.copy(target, at, from, to)
  let out = at
  for (let i = from; i < to; i++) target[out++] = source[i]!
  return out
}
