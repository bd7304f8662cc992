/** What labels are asked for, against the mapping and the table: which address, which columns, how much of the first sheet. */
import type { Table } from '../database/database.ts'
import type { Mapping, TableMapping } from '../mapping/mapping.ts'
import type { Piece } from '../mapping/piece.ts'
import { hasColumn, sealedColumns } from '../opening/columns.ts'
import { readCountry } from '../records/country.ts'
import { ChoiceError } from './errors.ts'
import { perSheet, type Stock } from './stock.ts'

const isAddress = ({ type }: Piece) => type === 'address'

/**
 * The tables that have addresses.
 *
 * @param named - the table that somebody chose
 * @throws ChoiceError where none has, or that one has not
 */
export function withAddresses(mapping: Mapping, named: string | undefined): Mapping {
  const tables = mapping.tables.filter(({ pieces }) => pieces.some(isAddress))
  const isWithout = named !== undefined && mapping.tables.some(({ name }) => name === named)
  if (tables.length > 0 && !(isWithout && tables.every(({ name }) => name !== named)))
    return { ...mapping, tables }
  throw new ChoiceError(
    `${tables.length > 0 ? named : 'the mapping'} has no addresses`,
    'a label is made from a record of type address: docs/records.md',
  )
}

/** @throws ChoiceError where none or several fit */
export function chooseAddress({ name, pieces }: TableMapping, wanted: string | undefined): Piece {
  const all = pieces.filter(isAddress)
  const fitting = wanted === undefined ? all : all.filter(piece => piece.name === `records.${wanted}`)
  if (fitting.length === 1) return fitting[0]!
  const names = all.map(piece => piece.name.replace('records.', '')).join(', ')
  throw new ChoiceError(
    fitting.length === 0 ? `${name} has no address ${wanted}` : `${name} has several addresses`,
    `choose an address: ${names}`,
  )
}

/** @throws ChoiceError for columns that are not there, or are sealed and would go out with the parcel */
export function checkColumns(
  table: Table,
  mapped: TableMapping,
  { name, packing }: { name: string | undefined; packing: readonly string[] },
): void {
  const unknown = [...(name === undefined ? [] : [name]), ...packing].find(
    column => !hasColumn(table, column),
  )
  if (unknown !== undefined)
    throw new ChoiceError(
      `${table.name} has no column ${unknown}`,
      `it has ${table.columns.map(column => column.name).join(', ')}`,
    )
  const sealed = packing.find(column => sealedColumns(mapped).has(column))
  if (sealed !== undefined)
    throw new ChoiceError(
      `${sealed} is sealed`,
      'a packing list goes out with the parcel: name columns that are readable',
    )
}

/**
 * @param skip - positions of the first sheet that are used up
 * @param name - of the option, for the message
 * @throws ChoiceError where a sheet has not that many and one more
 */
export function checkSkip(skip: number, stock: Stock, name = 'skip'): number {
  const most = perSheet(stock) - 1
  if (!Number.isSafeInteger(skip) || skip < 0 || skip > most)
    throw new ChoiceError(`${name} takes a number from 0 to ${most}`, 'it is labels of the first sheet')
  return skip
}

/** @returns two letters @throws ChoiceError */
export function readFrom(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const country = readCountry(text)
  if ('fault' in country) throw new ChoiceError(`${text} is no country`, 'two letters, such as NL')
  return country.text
}
