/** What of a row is sealed again, and what its columns become of the device's answer. */
import type { RewrapAnswer, RewrapItem } from '../../../protocol/api/schemas.ts'
import { type PublicKey, parseToken } from '../../../protocol/envelope/token.ts'
import type { Cell } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import { tokenFault } from './piece-plan.ts'

type Result = RewrapAnswer['results'][number]

/** One ciphertext of a row. */
export interface Wanted {
  /** Column that it is in. */
  readonly column: string
  readonly item: RewrapItem
  /** Columns by the field of the token that comes for it. */
  readonly into: ReadonlyMap<string, string>
}

/** Everything of a row that is not sealed under the key and version of the mapping yet. */
export interface RowWants {
  readonly wanted: readonly Wanted[]
  readonly faults: readonly { fault: 'bad-token' | 'other-key'; where: string }[]
  /** Whether there is a token in it at all. */
  readonly hasToken: boolean
}

/**
 * @param cells - of the row, by column
 * @param from - another key whose tokens are moved too
 */
export function rowWants(
  mapping: TableMapping,
  cells: ReadonlyMap<string, Cell>,
  record: string,
  key: PublicKey,
  from: string | undefined,
): RowWants {
  const wanted: Wanted[] = []
  const faults: RowWants['faults'][number][] = []
  let hasToken = false
  const addToken = (column: string, field: string) => {
    const text = cells.get(column) ?? ''
    if (!text.startsWith('clv1.')) return
    hasToken = true
    const fault = tokenFault(text, key.key)
    if (fault === 'bad-token') faults.push({ fault, where: column })
    else if (fault === 'other-key' && parseToken(text).key !== from) faults.push({ fault, where: column })
    else if (fault !== null || parseToken(text).version < key.version)
      wanted.push({
        column,
        item: { ciphertext: text, context: { field, record } },
        into: new Map([[field, column]]),
      })
  }
  for (const { sealed } of mapping.pieces)
    for (const { column, field } of sealed.values()) addToken(column, field)
  for (const { column, key, into } of mapping.legacy) {
    const text = (cells.get(column) ?? '').replace(/\s+/g, '')
    if (text !== '' && !text.startsWith('clv1.'))
      wanted.push({ column, item: { ciphertext: text, key, context: { record } }, into })
    for (const [field, target] of into) addToken(target, field)
  }
  return { wanted, faults, hasToken }
}

/**
 * What the columns become.
 *
 * @returns a code where the item was refused, or the answer is not for what was asked
 */
export function valuesOf(
  { column, into }: Wanted,
  { tokens, error }: Result,
  key: PublicKey,
  isNullable: (column: string) => boolean,
): Map<string, Cell> | string {
  if (error) return error.code
  const values = new Map<string, Cell>()
  for (const { field, token } of tokens ?? []) {
    const target = into.get(field)
    if (target === undefined) return `${field} has no column in the mapping`
    if (tokenFault(token, key.key) !== null || parseToken(token).version < key.version)
      return 'the device sealed it under another key or an older version than the mapping has'
    values.set(target, token)
  }
  if (values.size !== into.size) return 'the device kept other fields than the mapping has'
  if (!values.has(column)) values.set(column, isNullable(column) ? null : '')
  return values
}
