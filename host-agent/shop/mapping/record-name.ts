/** `orders/{id}`: the name of the record that the tokens of a row are bound to (docs/formats/envelope.md, "Context"). */
import { MappingError } from './errors.ts'
import { type Place, textAt } from './json.ts'

/** Text and columns of the key in turn, beginning and ending with text. */
export type RecordTemplate = readonly string[]

/**
 * @param place - of the template; without it, `<table>/{column}` with a slash between columns
 * @throws MappingError where it does not name every column of the key: rows would share a name
 */
export function templateAt(place: Place | undefined, table: string, key: readonly string[]): RecordTemplate {
  if (place === undefined)
    return [`${table}/`, ...key.flatMap((column, i) => [column, i < key.length - 1 ? '/' : ''])]
  const template = textAt(place).split(/\{([^{}]+)\}/)
  if (template.some((part, i) => i % 2 === 0 && /[{}]/.test(part)))
    throw new MappingError(place.at, 'its braces do not name columns', "write it as in 'orders/{id}'")
  const named = template.filter((_, i) => i % 2 === 1)
  const foreign = named.find(column => !key.includes(column))
  if (foreign !== undefined)
    throw new MappingError(
      place.at,
      `${foreign} is no column of the key`,
      'what names a record must never change',
    )
  const missing = key.find(column => !named.includes(column))
  if (missing !== undefined)
    throw new MappingError(
      place.at,
      `the column ${missing} of the key is not in it`,
      'rows would share a name',
    )
  return template
}

/** @param values - texts of the key, in the order of its columns */
export function recordName(
  template: RecordTemplate,
  key: readonly string[],
  values: readonly string[],
): string {
  return template.map((part, i) => (i % 2 === 0 ? part : values[key.indexOf(part)]!)).join('')
}
