/** Opens the database of a mapping for a command, with what the mapping's file leaves to the command. */
import { readFile } from 'node:fs/promises'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { type Checked, checkTable } from '../../shop/checking/check.ts'
import { connect } from '../../shop/database/connect.ts'
import type { Database } from '../../shop/database/database.ts'
import { mappingOfFile } from '../../shop/mapping/file.ts'
import type { Mapping, TableMapping } from '../../shop/mapping/mapping.ts'
import { INDEX_KEY_LENGTH } from '../../shop/records/blind-index.ts'
import { type Surroundings, UsageError } from '../command.ts'
import type { Terminal } from '../terminal.ts'

/** What each of the commands says about the database. */
export const DATABASE_USAGE = `  MAPPING          file that says which tables and columns are sealed: docs/shop-database.md
  --table NAME     only this table of the mapping; may be given again

The password of a database server comes from the file that the mapping names, or from CLAVIGER_DATABASE_PASSWORD.
`

/** Environment variable with the key of blind indexes. */
const INDEX_KEY_VARIABLE = 'CLAVIGER_INDEX_KEY'
const INDEX_HINT = `${INDEX_KEY_LENGTH} random bytes as base64url or hexadecimal digits, as openssl rand -hex ${INDEX_KEY_LENGTH} prints`

/** Paths in the mapping are from its own folder. */
export async function readMapping(path: string): Promise<Mapping> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code}`, 'name the file of the mapping')
  })
  return mappingOfFile(text, path)
}

/** @throws UsageError for a table that the mapping has not */
export function chooseTables(mapping: Mapping, names: readonly string[] | undefined): TableMapping[] {
  const unknown = names?.find(name => !mapping.tables.some(table => table.name === name))
  if (unknown !== undefined)
    throw new UsageError(
      `the mapping has no table ${unknown}`,
      `it has ${mapping.tables.map(({ name }) => name).join(', ')}`,
    )
  return mapping.tables.filter(({ name }) => names === undefined || names.includes(name))
}

/** @throws UsageError for a table that the mapping has not, and where it has several and none is named */
export function chooseTable(mapping: Mapping, name: string | undefined): TableMapping {
  const tables = chooseTables(mapping, name === undefined ? undefined : [name])
  if (tables.length > 1)
    throw new UsageError(
      'the mapping has several tables',
      `choose one with --table: ${tables.map(each => each.name).join(', ')}`,
    )
  return tables[0]!
}

/** Opens the database for as long as the work takes. */
export async function withDatabase<T>(
  { database: connection }: Mapping,
  { env }: Surroundings,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = await connect(connection, env)
  try {
    return await work(database)
  } finally {
    await database.close().catch(() => {})
  }
}

/** Checks tables one after the other. */
export async function checkTables(
  database: Database,
  mapping: Mapping,
  tables: readonly TableMapping[],
): Promise<(Checked & { mapping: TableMapping })[]> {
  const checked: (Checked & { mapping: TableMapping })[] = []
  for (const table of tables)
    checked.push({ ...(await checkTable(database, table, mapping.key)), mapping: table })
  return checked
}

/** Prints what a check found. @returns how many faults there are */
export function tellFindings(checked: readonly Checked[], terminal: Terminal): number {
  let faults = 0
  for (const { is, where, what, hint } of checked.flatMap(({ findings }) => findings)) {
    if (is === 'fault') faults++
    terminal.say(terminal.tame(`${is === 'note' ? 'note: ' : ''}${where}: ${what}`))
    if (hint) terminal.hint(terminal.tame(hint))
  }
  return faults
}

/** @returns the key of blind indexes, `null` where the mapping has none */
export async function readIndexKey(
  tables: readonly TableMapping[],
  path: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Uint8Array | null> {
  if (tables.every(({ pieces }) => pieces.every(({ indexes }) => indexes.size === 0))) return null
  const text = path === undefined ? env[INDEX_KEY_VARIABLE] : await readKeyFile(path)
  if (text === undefined)
    throw new UsageError(
      'the mapping has a blind index, and its key is missing',
      `put it into ${INDEX_KEY_VARIABLE}, or name its file with --index-key: ${INDEX_HINT}`,
    )
  const trimmed = text.trim()
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : fromBase64url(trimmed)
  if (bytes?.length !== INDEX_KEY_LENGTH) throw new UsageError('this is no key of a blind index', INDEX_HINT)
  return bytes
}

async function readKeyFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code}`)
  })
}
