/** Parts that the schemas of several routes have in common. */
import Type from 'typebox'

export const closed = { additionalProperties: false }
export const literals = <const T extends readonly string[]>(values: T, description?: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...(description ? { description } : {}) })

/** Names of namespaces, keys, agents and purposes. */
export const NAME_PATTERN = '^[a-z0-9][a-z0-9.-]{0,31}$'

export const Name = Type.String({
  pattern: NAME_PATTERN,
  description: 'lower-case letters, digits, dots and hyphens',
})
/** A key, or one version of it: `orders@3`. */
export const KeyRef = Type.String({
  pattern: '^[a-z0-9][a-z0-9.-]{0,31}(?:@[1-9][0-9]{0,9})?$',
  description: 'key that opens what does not name it; its newest version unless told, as in orders@3',
})
export const Base64url = (bytes: number) =>
  Type.String({ minLength: 1, maxLength: Math.ceil((bytes * 4) / 3), pattern: '^[A-Za-z0-9_-]+$' })
export const Secret = (description: string) => Type.String({ minLength: 1, maxLength: 1024, description })
export const Time = Type.Integer({ minimum: 0, description: 'seconds since 1970' })
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
