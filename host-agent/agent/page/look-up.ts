/** Rows of the shop by their keys: what is readable in them as it is, what is sealed as tokens. Nothing is opened. */
import type { FoundRow } from './api.ts'
import { PageRefusal } from './problem.ts'
import type { Shop } from './shop.ts'

/** @returns in the order of the keys, without those that no row has @throws PageRefusal, DatabaseError, MappingError */
export async function lookUp(
  shop: Shop,
  table: string,
  keys: readonly (readonly string[])[],
): Promise<FoundRow[]> {
  const { mapping, mapped } = await shop.table(table)
  const { describeForReading, hasColumn, readableColumns, sealedColumns } = await import(
    '../../shop/opening/columns.ts'
  )
  const { keyFault, wantedRows } = await import('../../shop/opening/wanted-rows.ts')
  const { recordName } = await import('../../shop/mapping/record-name.ts')
  return shop.withDatabase(mapping, async database => {
    const described = await describeForReading(database, mapped)
    for (const key of keys) {
      const fault = keyFault(key, mapped.key, described)
      if (fault)
        throw new PageRefusal('malformed-request', { message: `this is no key of ${table}`, hint: fault })
    }
    const sealed = [...sealedColumns(mapped)].filter(([column]) => hasColumn(described, column))
    const readable = [...new Set(readableColumns(mapped))].filter(column => hasColumn(described, column))
    const columns = [...new Set([...sealed.map(([column]) => column), ...readable])]
    const selection = { table: described, key: mapped.key, columns }
    const found: FoundRow[] = []
    for await (const rows of wantedRows(database, selection, keys, () => {}))
      for (const { key, cells } of rows) {
        const cell = (column: string) => cells[columns.indexOf(column)] ?? null
        found.push({
          key: [...key],
          record: recordName(mapped.record, mapped.key, key),
          readable: readable.map(column => ({ column, text: cell(column) })),
          sealed: sealed.map(([column, field]) => ({ column, field, ciphertext: cell(column) })),
        })
      }
    return found
  })
}
