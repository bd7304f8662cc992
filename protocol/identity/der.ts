/** A writer for the few DER types (X.690 §8) that a certificate needs. Reading DER is left to OpenSSL. */
import { concat } from '../bytes.ts'

/** One DER element: identifier octet, definite length, contents. */
export function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const body = concat(...contents)
  const length: number[] = []
  if (body.length < 0x80) length.push(body.length)
  else {
    for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256)
    length.unshift(0x80 | length.length)
  }
  return concat(Uint8Array.of(tag, ...length), body)
}

export const sequence = (...items: Uint8Array[]) => der(0x30, ...items)
export const set = (...items: Uint8Array[]) => der(0x31, ...items)
export const octets = (bytes: Uint8Array) => der(0x04, bytes)
export const boolean = (value: boolean) => der(0x01, Uint8Array.of(value ? 0xff : 0))
export const utf8 = (text: string) => der(0x0c, new TextEncoder().encode(text))

/** A BIT STRING; `unused` is the number of bits of the last byte that do not count. */
export const bits = (bytes: Uint8Array, unused = 0) => der(0x03, Uint8Array.of(unused), bytes)

/** A non-negative INTEGER from its big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  return der(0x02, digits[0]! & 0x80 ? Uint8Array.of(0) : new Uint8Array(0), digits)
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]]
  const body: number[] = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let high = arc >>> 7; high > 0; high >>>= 7) groups.unshift((high & 0x7f) | 0x80)
    body.push(...groups)
  }
  return der(0x06, Uint8Array.from(body))
}

/** A date as RFC 5280 §4.1.2.5 wants it: UTCTime up to 2049, GeneralizedTime from 2050. */
export function time(date: Date): Uint8Array {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  const encode = (tag: number, text: string) => der(tag, new TextEncoder().encode(text))
  return date.getUTCFullYear() < 2050 ? encode(0x17, digits.slice(2)) : encode(0x18, digits)
}
