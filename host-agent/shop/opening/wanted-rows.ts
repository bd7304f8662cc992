/** Rows of a table in batches: all of them in the order of their key, or those of some keys in the order in which these are named. */
import type { Column, Database, Row, Selection, Table } from '../database/database.ts'
import { columnOf } from '../database/dialect.ts'

/** Rows that are read at once. */
const BATCH = 200
/** Bits of PostgreSQL's integers: a longer number is an error there, and the key of no row. */
const BITS: { readonly [type: string]: number } = { smallint: 16, integer: 32, bigint: 64 }

/** The key of a row: texts in the order of the mapping's columns. */
export type Key = readonly string[]

/**
 * @param keys - of the rows, as {@link keyFault} lets them pass; `null`: all rows
 * @param onMissing - told of each key that no row has
 * @throws DatabaseError `database-failed`
 */
export async function* wantedRows(
  database: Database,
  selection: Selection,
  keys: readonly Key[] | null,
  onMissing: (key: Key) => void,
): AsyncGenerator<Row[]> {
  if (keys === null) {
    let after: Key | null = null
    for (;;) {
      const rows: Row[] = await database.page(selection, after, BATCH)
      if (rows.length === 0) return
      yield rows
      after = rows.at(-1)!.key
    }
  }
  const columns = selection.key.map(name => columnOf(selection.table, name))
  const plain = (key: Key) => key.map((text, i) => plainKey(text, columns[i]!))
  const nameOf = (key: Key) => JSON.stringify(plain(key))
  for (let at = 0; at < keys.length; at += BATCH) {
    const asked = keys.slice(at, at + BATCH)
    const possible = asked.filter(key => key.every((text, i) => isInRange(text, columns[i]!, database.kind)))
    const picked = [...new Map(possible.map(key => [nameOf(key), plain(key)])).values()]
    const found = picked.length > 0 ? await database.pick(selection, picked) : []
    // What a collation takes for equal is another row to whoever named this one.
    const byKey = new Map(found.map(row => [nameOf(row.key), row]))
    const rows = asked.flatMap(key => {
      const row = byKey.get(nameOf(key))
      if (!row) onMissing(key)
      return row ? [row] : []
    })
    if (rows.length > 0) yield rows
  }
}

/** Whether a key can be one of the table. MariaDB would read `12,13` as 12. @returns what is wrong */
export function keyFault(key: Key, names: readonly string[], table: Table): string | null {
  if (key.length !== names.length) return `a key has the columns ${names.join(', ')}`
  const wrong = names.find(
    (name, i) => columnOf(table, name).holds === 'integer' && !/^[+-]?\d{1,20}$/.test(key[i]!),
  )
  if (wrong !== undefined) return `${wrong} is an integer`
  const other = names.find(
    (name, i) =>
      /^uuid$/i.test(columnOf(table, name).type) &&
      !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(key[i]!),
  )
  return other === undefined ? null : `${other} is a UUID`
}

function isInRange(text: string, { holds, type }: Column, kind: Database['kind']): boolean {
  const bits = BITS[type]
  if (kind !== 'postgres' || holds !== 'integer' || bits === undefined) return true
  const value = BigInt(plainKey(text, { holds, type }))
  return BigInt.asIntN(bits, value) === value
}

/** A key as databases write it. */
function plainKey(text: string, { holds, type }: Pick<Column, 'holds' | 'type'>): string {
  if (holds === 'integer') return BigInt(text.replace(/^\+/, '')).toString()
  return /^uuid$/i.test(type) ? text.toLowerCase() : text
}
