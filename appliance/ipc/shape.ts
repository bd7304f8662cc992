/**
 * Shapes: the schema check of messages between our processes. Small, because the key process must stay small, and
 * byte strings, which JSON schemas do not know, are first class. Each shape is a type guard.
 */

export type Shape<T> = (value: unknown) => value is T
/** The type that a shape guards. */
export type Of<S> = S extends Shape<infer T> ? T : never

/** Text of at most `max` code points, as JSON Schema counts them: what the gate's schemas let through fits here. */
export const text =
  (max: number): Shape<string> =>
  (value): value is string =>
    typeof value === 'string' &&
    (value.length <= max || (value.length <= 2 * max && [...value].length <= max))

/** A byte string of at most `max` bytes. */
export const bytes =
  (max: number, min = 0): Shape<Uint8Array> =>
  (value): value is Uint8Array =>
    value instanceof Uint8Array && value.length <= max && value.length >= min

/** An integer between 0 and `max`. */
export const integer =
  (max: number = Number.MAX_SAFE_INTEGER): Shape<number> =>
  (value): value is number =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max

/** A finite number. */
export const number: Shape<number> = (value): value is number => Number.isFinite(value)

export const boolean: Shape<boolean> = (value): value is boolean => typeof value === 'boolean'

/** One of the given words. */
export const word =
  <const T extends readonly string[]>(...words: T): Shape<T[number]> =>
  (value): value is T[number] =>
    typeof value === 'string' && words.includes(value)

export const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value): value is T | null =>
    value === null || shape(value)

/** Either of two shapes. */
export const either =
  <A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> =>
  (value): value is A | B =>
    a(value) || b(value)

/** An array of at most `max` items. */
export const list =
  <T>(item: Shape<T>, max: number): Shape<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.length <= max && value.every(item)

/** An array of exactly these items. */
export const tuple =
  <T extends readonly unknown[]>(...items: { [K in keyof T]: Shape<T[K]> }): Shape<T> =>
  (value): value is T =>
    Array.isArray(value) && value.length === items.length && items.every((item, i) => item(value[i]))

/** A map with exactly these keys. */
export const map = <T extends Record<string, unknown>>(fields: { [K in keyof T]: Shape<T[K]> }): Shape<T> => {
  const names = Object.keys(fields)
  return (value): value is T =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === names.length &&
    names.every(name => Object.hasOwn(value, name) && fields[name]!((value as Record<string, unknown>)[name]))
}

/** A map with exactly the keys of a form, of which those of `more` may be missing. */
export const mapWith = <T extends Record<string, unknown>, U extends Record<string, unknown>>(
  fields: { [K in keyof T]: Shape<T[K]> },
  more: { [K in keyof U]: Shape<U[K]> },
): Shape<T & Partial<U>> => {
  const isWhole = map(fields)
  return (value): value is T & Partial<U> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const entries = Object.entries(value)
    const isMore = (name: string) => Object.hasOwn(more, name)
    return (
      isWhole(Object.fromEntries(entries.filter(([name]) => !isMore(name)))) &&
      entries.every(([name, item]) => !isMore(name) || more[name]!(item))
    )
  }
}
