/** Which versions of which keys the tokens of a table are of: what tells when an old version has done its work. */
import { parseToken } from '../../../protocol/envelope/token.ts'
import type { Database, Row, Selection, Table } from '../database/database.ts'
import type { TableMapping } from '../mapping/mapping.ts'
import { BATCH } from '../sealing/report.ts'

/** What the cells of a column are. */
export interface ColumnVersions {
  readonly column: string
  /** Cells by key and version, such as `orders@3`. */
  readonly tokens: ReadonlyMap<string, number>
  /** Cells with text that is no token: plaintext, or what was encrypted the old way. */
  readonly open: number
  /** Cells with nothing in them. */
  readonly empty: number
}

/** @throws DatabaseError `database-failed` */
export async function countVersions(
  database: Database,
  mapping: TableMapping,
  table: Table,
): Promise<ColumnVersions[]> {
  const columns = new Set([
    ...mapping.pieces.flatMap(({ sealed }) => [...sealed.values()].map(({ column }) => column)),
    ...mapping.legacy.flatMap(({ column, into }) => [column, ...into.values()]),
  ])
  const selection: Selection = { table, key: mapping.key, columns: [...columns] }
  const counts = selection.columns.map(column => ({
    column,
    tokens: new Map<string, number>(),
    open: 0,
    empty: 0,
  }))
  let after: readonly string[] | null = null
  for (;;) {
    const rows: Row[] = await database.page(selection, after, BATCH)
    if (rows.length === 0) return counts
    for (const { cells } of rows)
      for (const [i, count] of counts.entries()) {
        const text = cells[i] ?? ''
        const label = text === '' ? null : labelOf(text)
        if (text === '') count.empty++
        else if (label === null) count.open++
        else count.tokens.set(label, (count.tokens.get(label) ?? 0) + 1)
      }
    after = rows.at(-1)!.key
  }
}

function labelOf(text: string): string | null {
  try {
    const { key, version } = parseToken(text)
    return `${key}@${version}`
  } catch {
    return null
  }
}
