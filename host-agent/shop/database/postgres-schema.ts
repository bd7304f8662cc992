/** What a table of PostgreSQL is, from its system catalogs. */
import type { Column, Table, UniqueKey } from './database.ts'
import type { Ask } from './server-database.ts'

const TEXTS = ['text', 'character varying', 'character', 'citext', 'uuid', 'name']
const INTEGERS = ['smallint', 'integer', 'bigint']

/** @returns `null` where the schema has no such table */
export async function describePostgres(schema: string, name: string, ask: Ask): Promise<Table | null> {
  const [found] = await ask(
    `SELECT c.relkind::text, c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    schema,
    name,
  )
  if (!found) return null
  const oid = String(found[1])
  const columns = await ask(
    `SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, NULL),
     CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN (a.atttypmod - 4)::text END,
     a.attnotnull::text, a.attgenerated::text, c.collname
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation c ON c.oid = a.attcollation
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    oid,
  )
  const indexes = await ask(
    `SELECT c.relname, a.attname, i.indisprimary::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL`,
    oid,
  )
  // Bit 4 of tgtype: the trigger is for UPDATE (pg_trigger.h).
  const triggers = await ask(
    `SELECT tgname FROM pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgtype & 16 <> 0
     AND tgenabled <> 'D'`,
    oid,
  )
  const foreign = await ask(
    `SELECT a.attname FROM pg_constraint k JOIN pg_attribute a
     ON (a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) OR (a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))
     WHERE k.contype = 'f' AND a.attrelid = $1::oid`,
    oid,
  )
  const byIndex = Map.groupBy(indexes, ([index]) => String(index))
  return {
    name,
    isView: !['r', 'p'].includes(String(found[0])),
    transactional: true,
    columns: columns.map(columnFrom),
    uniqueKeys: [...byIndex].map(
      ([index, parts]): UniqueKey => ({
        name: index,
        columns: parts.map(([, column]) => String(column)),
        primary: parts[0]![2] === 'true',
      }),
    ),
    updateTriggers: triggers.map(([trigger]) => String(trigger)),
    foreign: foreign.map(([column]) => String(column)),
  }
}

function columnFrom(row: unknown[]): Column {
  const [name, type, bare, length, notNull, generated, collation] = row.map(value =>
    value === null ? null : String(value),
  )
  return {
    name: name!,
    type: type!,
    holds: TEXTS.includes(bare!) ? 'text' : INTEGERS.includes(bare!) ? 'integer' : 'other',
    length: length ? Number(length) : bare === 'uuid' ? 36 : null,
    bytes: null,
    nullable: notNull !== 'true',
    generated: generated !== '' && generated !== null,
    charset: null,
    collation: collation ?? null,
  }
}
