/** A column that a shop encrypted in its old way, with a key that the device imported: what `shop rewrap` makes tokens of. */
import { isName } from '../../../protocol/envelope/context.ts'
import { MappingError } from './errors.ts'
import { entriesAt, type Place, propertiesAt, required, textAt } from './json.ts'
import { fieldAt } from './piece.ts'

export interface LegacyColumn {
  /** Place below the table, such as `legacy.cc`. */
  readonly name: string
  readonly column: string
  /** Name of the imported key. */
  readonly key: string
  /** Columns by the field of the payload that each token is of. The column itself is emptied, unless it is one of them. */
  readonly into: ReadonlyMap<string, string>
}

/** `"cc": { "key": "old-cards", "into": { "card.number": "cc", "card.expiry": "cc_expiry" } }`. */
export function legacyColumnAt(column: string, place: Place): LegacyColumn {
  const given = propertiesAt(place, ['key', 'into'])
  const key = required(given.key, place.at, 'key')
  if (!isName(key.value)) throw new MappingError(key.at, 'this is not the name of a key')
  const into = new Map<string, string>()
  for (const [field, each] of entriesAt(required(given.into, place.at, 'into'))) {
    const target = textAt(each)
    if ([...into.values()].includes(target))
      throw new MappingError(each.at, `the column ${target} is there twice`)
    into.set(fieldAt({ at: each.at, value: field }), target)
  }
  if (into.size === 0) throw new MappingError(`${place.at}.into`, 'no field is in it')
  return { name: `legacy.${column}`, column, key: key.value, into }
}
