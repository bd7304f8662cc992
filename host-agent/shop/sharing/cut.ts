/** Cuts tables into ranges of keys, and names the job that they are of. */
import { createHash } from 'node:crypto'
import type { PublicKey } from '../../../protocol/envelope/token.ts'
import { formatPublicKey } from '../../../protocol/envelope/token.ts'
import type { Database, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import type { Range } from './queue.ts'

/** Rows of a range: about a second of work, so that little is done twice after a kill, and nobody waits long at the end. */
const RANGE_ROWS = 1000

/**
 * Reads keys alone, in their order. The last range has no end: rows that come in behind are in it.
 *
 * @throws DatabaseError
 */
export async function cutTable(
  database: Database,
  table: Table,
  key: readonly string[],
  rows = RANGE_ROWS,
): Promise<Range[]> {
  const ranges: Range[] = []
  let after: readonly string[] | null = null
  for (;;) {
    const upTo = await database.boundary(table, key, after, rows)
    ranges.push({ table: table.name, after, upTo })
    if (upTo === null) return ranges
    after = upTo
  }
}

/**
 * What two workers have to agree on: the key and version that they rewrap to, and what of which tables.
 *
 * @returns 64 hexadecimal digits
 */
export function jobOf(key: PublicKey, from: string | undefined, tables: readonly TableMapping[]): string {
  const text = JSON.stringify([
    formatPublicKey(key),
    from ?? null,
    tables.map(({ name, key, record, pieces, legacy }) => [
      name,
      key,
      record,
      pieces.map(({ sealed }) => [...sealed.values()]),
      legacy.map(({ column, key, into }) => [column, key, [...into]]),
    ]),
  ])
  return createHash('sha256').update(text).digest('hex')
}
