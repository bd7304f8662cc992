/** `--key`, `--keys-from` and `--all`: which rows of a table a command is to open. */
import { readFile } from 'node:fs/promises'
import type { Table } from '../../shop/database/database.ts'
import { type Key, keyFault } from '../../shop/opening/wanted-rows.ts'
import { type Surroundings, UsageError } from '../command.ts'
import { readCsvLine } from '../rows/csv-records.ts'
import { readInput } from '../rows/input.ts'

const MOST_BYTES = 16_777_216

export const KEY_OPTIONS = {
  key: { type: 'string', multiple: true },
  'keys-from': { type: 'string' },
  all: { type: 'boolean' },
} as const

export const KEY_USAGE = `  --key VALUE,…    a row by its key; of a key of several columns the value of each, in the mapping's order; of one column, several
                   rows. May be given again. A value with a comma stands in double quotes
  --keys-from FILE the same, a line each; - is standard input
  --all            every row, in the order of the key
`

export interface KeyOptions {
  key?: string[] | undefined
  'keys-from'?: string | undefined
  all?: boolean | undefined
}

/**
 * The lines with keys, as they were given.
 *
 * @returns `null` for all rows
 * @throws UsageError where rows are named in no way or in several
 */
export async function readKeyLines(
  { key, 'keys-from': from, all }: KeyOptions,
  { stdin }: Pick<Surroundings, 'stdin'>,
): Promise<string[] | null> {
  const ways = [key, from, all].filter(way => way !== undefined).length
  if (ways !== 1)
    throw new UsageError(
      ways === 0 ? 'it is not said which rows' : '--key, --keys-from and --all each say which rows',
      'name rows with --key or --keys-from, or say --all',
    )
  if (all) return null
  if (key) return key
  const text = from === '-' ? (await readInput(stdin, MOST_BYTES)).toString('utf8') : await readText(from!)
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  return lines.filter(line => line !== '')
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code}`, 'it holds one key a line')
  })
}

/**
 * @param columns - of the key
 * @throws UsageError for what can be no key of the table
 */
export function parseKeys(lines: readonly string[], columns: readonly string[], table: Table): Key[] {
  const keys = lines.flatMap((line): Key[] => {
    const cells = readCsvLine(Buffer.from(line, 'utf8').toString('latin1'), ',')
    if (!cells) throw new UsageError(`${line} is no key`, 'a double quote is open')
    const texts = cells.map(cell => Buffer.from(cell, 'latin1').toString('utf8'))
    return columns.length === 1 ? texts.map(text => [text]) : [texts]
  })
  for (const key of keys) {
    const fault = keyFault(key, columns, table)
    if (fault) throw new UsageError(`${key.join(',')} is no key of ${table.name}`, fault)
  }
  if (keys.length === 0) throw new UsageError('there is no key in it', 'give one key a line')
  return keys
}

/** The first of keys that no row has, for a person. */
export function tellMissing(missing: readonly Key[]): string {
  const first = missing.slice(0, 5).map(key => key.join(','))
  const more = missing.length > first.length ? ', …' : ''
  return `no row has ${missing.length === 1 ? 'the key' : `${missing.length} of the keys:`} ${first.join('; ')}${more}`
}
