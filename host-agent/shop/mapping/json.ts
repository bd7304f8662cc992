/** Reading the parts of a JSON document strictly: what is misspelt is refused, never ignored. */
import { MappingError } from './errors.ts'

/** Properties of an object, and where it is in the file. */
export interface Place {
  readonly at: string
  readonly value: unknown
}

/** Places of an object's properties. */
export function entriesAt({ at, value }: Place): [name: string, place: Place][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MappingError(at, 'this is not an object')
  return Object.entries(value).map(([name, value]) => [
    name,
    { at: at === '' ? name : `${at}.${name}`, value },
  ])
}

/**
 * Properties of an object that may have these and no others.
 *
 * @throws MappingError `bad-mapping`
 */
export function propertiesAt<const N extends string>(
  place: Place,
  names: readonly N[],
): { [name in N]: Place | undefined } {
  const found: { [name: string]: Place | undefined } = {}
  for (const [name, property] of entriesAt(place)) {
    if (!(names as readonly string[]).includes(name))
      throw new MappingError(property.at, 'there is no such property', `there are ${names.join(', ')}`)
    found[name] = property
  }
  return Object.fromEntries(names.map(name => [name, found[name]])) as { [name in N]: Place | undefined }
}

/** @throws MappingError for what is no text, empty, or holds a control character */
export function textAt({ at, value }: Place): string {
  if (typeof value !== 'string' || value === '') throw new MappingError(at, 'this is not a text')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(value) || !value.isWellFormed())
    throw new MappingError(at, 'there are characters in it that no name has')
  return value
}

/** @throws MappingError for a list that is empty, or has something twice */
export function textsAt({ at, value }: Place): string[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new MappingError(at, 'this is not a list with something in it')
  const texts = value.map((value, i) => textAt({ at: `${at}[${i}]`, value }))
  const twice = texts.find((text, i) => texts.indexOf(text) !== i)
  if (twice !== undefined) throw new MappingError(at, `${twice} is there twice`)
  return texts
}

export function required(place: Place | undefined, at: string, name: string): Place {
  if (place === undefined)
    throw new MappingError(at === '' ? name : `${at}.${name}`, 'this property is missing')
  return place
}
