/** Columns of a mapped table that hold tokens, and whether the table can be read by the mapping's key. */
import type { Database, Table } from '../database/database.ts'
import { DatabaseError } from '../database/errors.ts'
import type { TableMapping } from '../mapping/mapping.ts'

/** Sealed columns and the fields of their contexts, in the order of the mapping; with those that rewrapping fills. */
export function sealedColumns({ pieces, legacy }: TableMapping): Map<string, string> {
  const sealed = new Map<string, string>()
  for (const piece of pieces) for (const { column, field } of piece.sealed.values()) sealed.set(column, field)
  for (const { into } of legacy) for (const [field, column] of into) sealed.set(column, field)
  return sealed
}

/** Columns in which the mapping puts what stays readable. */
export function readableColumns({ pieces }: TableMapping): string[] {
  return pieces.flatMap(({ readable }) => [...readable.values()])
}

/**
 * The table as it is in the database.
 *
 * @throws DatabaseError `database-failed` where it is not there, or several rows have one key: of these, some would be left out
 */
export async function describeForReading(
  database: Database,
  { name, key }: Pick<TableMapping, 'name' | 'key'>,
): Promise<Table> {
  const table = await database.describe(name)
  if (!table)
    throw new DatabaseError(`there is no table ${name}`, { hint: 'names are told apart by capitals' })
  const missing = key.find(column => !hasColumn(table, column))
  if (missing !== undefined) throw new DatabaseError(`${name} has no column ${missing}`)
  const isKept = table.uniqueKeys.some(({ columns }) => columns.every(column => key.includes(column)))
  if (!isKept && (await database.duplicates(table, key)) > 0)
    throw new DatabaseError(`${key.join(', ')} is no key of ${name}: several rows have the same one`, {
      hint: 'claviger shop check says more',
    })
  return table
}

export function hasColumn({ columns }: Table, name: string): boolean {
  return columns.some(column => column.name === name)
}
