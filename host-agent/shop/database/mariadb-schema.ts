/** What a table of MariaDB or MySQL is, from `information_schema`. */
import type { Column, Table, UniqueKey } from './database.ts'
import type { Ask } from './server-database.ts'

const TEXTS = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'uuid']
const INTEGERS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint']

/** @returns `null` where the connection's database has no such table */
export async function describeMariadb(name: string, ask: Ask): Promise<Table | null> {
  const [found] = await ask(
    `SELECT t.table_type, coalesce(e.transactions, 'NO') FROM information_schema.tables t
     LEFT JOIN information_schema.engines e ON e.engine = t.engine
     WHERE t.table_schema = database() AND t.table_name = ?`,
    name,
  )
  if (!found) return null
  const columns = await ask(
    `SELECT column_name, column_type, data_type, character_maximum_length, character_octet_length, is_nullable,
     extra, character_set_name, collation_name FROM information_schema.columns
     WHERE table_schema = database() AND table_name = ? ORDER BY ordinal_position`,
    name,
  )
  const indexes = await ask(
    `SELECT index_name, column_name FROM information_schema.statistics
     WHERE table_schema = database() AND table_name = ? AND non_unique = 0 AND sub_part IS NULL
     ORDER BY index_name, seq_in_index`,
    name,
  )
  const triggers = await ask(
    `SELECT trigger_name FROM information_schema.triggers
     WHERE event_object_schema = database() AND event_object_table = ? AND event_manipulation = 'UPDATE'`,
    name,
  )
  const foreign = await ask(
    `SELECT CASE WHEN table_name = ? THEN column_name ELSE referenced_column_name END FROM information_schema.key_column_usage
     WHERE table_schema = database() AND referenced_table_name IS NOT NULL AND ? IN (table_name, referenced_table_name)`,
    name,
    name,
  )
  const byIndex = Map.groupBy(indexes, ([index]) => String(index))
  return {
    name,
    isView: found[0] !== 'BASE TABLE',
    transactional: found[1] === 'YES',
    columns: columns.map(columnFrom),
    uniqueKeys: [...byIndex].map(
      ([index, parts]): UniqueKey => ({
        name: index,
        columns: parts.map(([, column]) => String(column)),
        primary: index === 'PRIMARY',
      }),
    ),
    updateTriggers: triggers.map(([trigger]) => String(trigger)),
    foreign: foreign.map(([column]) => String(column)),
  }
}

function columnFrom(row: unknown[]): Column {
  const [name, type, dataType, length, octets, nullable, extra, charset, collation] = row.map(value =>
    value === null ? null : String(value),
  )
  return {
    name: name!,
    type: type!,
    holds: TEXTS.includes(dataType!) ? 'text' : INTEGERS.includes(dataType!) ? 'integer' : 'other',
    length: length ? Number(length) : null,
    bytes: octets ? Number(octets) : null,
    nullable: nullable === 'YES',
    generated: /GENERATED/i.test(extra ?? ''),
    charset: charset ?? null,
    collation: collation ?? null,
  }
}
