/** What `claviger shop labels` is told on its command line, against the mapping and the table. */
import type { Table } from '../../shop/database/database.ts'
import type { Mapping, TableMapping } from '../../shop/mapping/mapping.ts'
import type { Piece } from '../../shop/mapping/piece.ts'
import { hasColumn, sealedColumns } from '../../shop/opening/columns.ts'
import { readCountry } from '../../shop/records/country.ts'
import { UsageError } from '../command.ts'
import { perSheet, type Stock } from './stock.ts'

const isAddress = ({ type }: Piece) => type === 'address'

/**
 * The tables that have addresses.
 *
 * @param named - the table that somebody chose
 * @throws UsageError where none has, or that one has not
 */
export function withAddresses(mapping: Mapping, named: string | undefined): Mapping {
  const tables = mapping.tables.filter(({ pieces }) => pieces.some(isAddress))
  const isWithout = named !== undefined && mapping.tables.some(({ name }) => name === named)
  if (tables.length > 0 && !(isWithout && tables.every(({ name }) => name !== named)))
    return { ...mapping, tables }
  throw new UsageError(
    `${tables.length > 0 ? named : 'the mapping'} has no addresses`,
    'a label is made from a record of type address: docs/records.md',
  )
}

/** @throws UsageError where none or several fit */
export function chooseAddress({ name, pieces }: TableMapping, wanted: string | undefined): Piece {
  const all = pieces.filter(isAddress)
  const fitting = wanted === undefined ? all : all.filter(piece => piece.name === `records.${wanted}`)
  if (fitting.length === 1) return fitting[0]!
  const names = all.map(piece => piece.name.replace('records.', '')).join(', ')
  throw new UsageError(
    fitting.length === 0 ? `${name} has no address ${wanted}` : `${name} has several addresses`,
    `choose one with --address: ${names}`,
  )
}

/** @throws UsageError for columns that are not there, or are sealed and would go out with the parcel */
export function checkColumns(
  table: Table,
  mapped: TableMapping,
  { name, packing }: { name: string | undefined; packing: readonly string[] },
): void {
  const unknown = [...(name === undefined ? [] : [name]), ...packing].find(
    column => !hasColumn(table, column),
  )
  if (unknown !== undefined)
    throw new UsageError(
      `${table.name} has no column ${unknown}`,
      `it has ${table.columns.map(column => column.name).join(', ')}`,
    )
  const sealed = packing.find(column => sealedColumns(mapped).has(column))
  if (sealed !== undefined)
    throw new UsageError(
      `${sealed} is sealed`,
      'a packing list goes out with the parcel: name columns that are readable',
    )
}

/** @throws UsageError */
export function readSkip(text: string | undefined, stock: Stock): number {
  if (text === undefined) return 0
  const most = perSheet(stock) - 1
  if (!/^\d{1,3}$/.test(text) || Number(text) > most)
    throw new UsageError(`--skip takes a number from 0 to ${most}`, 'it is labels of the first sheet')
  return Number(text)
}

/** @returns two letters @throws UsageError */
export function readFrom(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const country = readCountry(text)
  if ('fault' in country) throw new UsageError(`${text} is no country`, 'two letters, such as NL')
  return country.text
}
