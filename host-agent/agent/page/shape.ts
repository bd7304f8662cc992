/** Readers of what a browser sends: each takes a value of JSON and gives it back typed, or throws PageRefusal `malformed-request`. */
import { PageRefusal } from './problem.ts'

/** @throws PageRefusal `malformed-request` */
export type Reader<T> = (value: unknown) => T

const refuse = (): never => {
  throw new PageRefusal('malformed-request')
}

/** Whatever fits, a text of UTF-8 in whole: a lone surrogate is in none. @param most - characters */
export const text =
  (most: number, least = 0): Reader<string> =>
  value =>
    typeof value === 'string' && value.length <= most && value.length >= least && value.isWellFormed()
      ? value
      : refuse()

/** Names of enrolments, purposes, keys and fields. */
export const name: Reader<string> = value =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9.-]{0,31}$/.test(value) ? value : refuse()

/** base64url of at most 64 characters. */
export const ticket: Reader<string> = value =>
  typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value) ? value : refuse()

export const flag: Reader<boolean> = value => (typeof value === 'boolean' ? value : refuse())

export const whole =
  (least: number, most: number): Reader<number> =>
  value =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : refuse()

export const oneOf =
  <const T extends string>(...all: T[]): Reader<T> =>
  value =>
    all.find(one => one === value) ?? refuse()

export const list =
  <T>(read: Reader<T>, most: number, least = 0): Reader<T[]> =>
  value =>
    Array.isArray(value) && value.length <= most && value.length >= least
      ? value.map(each => read(each))
      : refuse()

/** A property that may be missing. */
export const maybe = <T>(read: Reader<T>): Reader<T | undefined> =>
  Object.assign((value: unknown) => (value === undefined ? undefined : read(value)), { isOptional: true })

/** Names with a question mark are those of {@link maybe}. */
type Shape = { [property: string]: Reader<unknown> }
type Optional<S extends Shape> = {
  [K in keyof S]: undefined extends ReturnType<S[K]> ? K : never
}[keyof S]
type Shaped<S extends Shape> = { [K in Exclude<keyof S, Optional<S>>]: ReturnType<S[K]> } & {
  [K in Optional<S>]?: Exclude<ReturnType<S[K]>, undefined>
}

/** An object with these properties and no others. */
export const object =
  <S extends Shape>(shape: S): Reader<Shaped<S>> =>
  value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse()
    if (Object.keys(value).some(key => !Object.hasOwn(shape, key))) return refuse()
    const read: Record<string, unknown> = {}
    for (const [key, reader] of Object.entries(shape)) {
      const found = reader(Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined)
      if (found !== undefined) read[key] = found
    }
    return read as Shaped<S>
  }

/** Of calls that send nothing. */
export const nothing: Reader<null> = () => null
