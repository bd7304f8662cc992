/** How much of a table is not of the newest version yet, as its server counts it: no value leaves the database for that. */
import type { PublicKey } from '../../../protocol/envelope/token.ts'
import type { Database, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'

/**
 * Counts cells with a token of an older version of the key, with one of `from`, and with what was encrypted the old way. It may count
 * too much, where one key is named like another with a version behind it, and never too little.
 *
 * @throws DatabaseError
 */
export async function countLeftovers(
  database: Database,
  { pieces, legacy }: TableMapping,
  table: Table,
  key: PublicKey,
  from: string | undefined,
): Promise<number> {
  const patterns = Array.from({ length: key.version - 1 }, (_, i) => `clv1._.${key.key}.${i + 1}.%`)
  if (from !== undefined) patterns.push(`clv1._.${from}.%`)
  const tokens = new Set([
    ...pieces.flatMap(({ sealed }) => [...sealed.values()].map(({ column }) => column)),
    ...legacy.flatMap(({ into }) => [...into.values()]),
  ])
  const old = new Set(legacy.map(({ column }) => column))
  let count = 0
  for (const column of new Set([...tokens, ...old])) {
    const looked = { patterns: tokens.has(column) ? patterns : [], plain: old.has(column) }
    if (looked.plain || looked.patterns.length > 0) count += await database.remaining(table, column, looked)
  }
  return count
}
