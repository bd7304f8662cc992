/**
 * Tables in CSV: a header line, then one record for each row. Delimiter, line ends, byte order mark and every cell that
 * is not replaced stay byte for byte as they are.
 */
import { isUtf8 } from 'node:buffer'
import { UsageError } from '../command.ts'
import { CsvCutter, type CsvRecord, readCsvLine } from './csv-records.ts'
import {
  type Cell,
  ERROR_COLUMN,
  joinErrors,
  MAX_ROW,
  type ReadOptions,
  type Row,
  type RowFormat,
} from './row.ts'

const DELIMITERS = [',', ';', '\t', '|']
const BYTE_ORDER_MARK = '\xef\xbb\xbf'

export const csv: RowFormat = { encoding: 'latin1', read }

async function* read(source: AsyncIterable<Uint8Array>, options: ReadOptions): AsyncGenerator<Row[]> {
  let head: Buffer | null = Buffer.alloc(0)
  let mark = ''
  let cutter: CsvCutter | undefined
  let table: Table | undefined
  const rowsOf = (records: CsvRecord[]): Row[] =>
    records.map(record => {
      if (table) return table.row(record)
      table = new Table(record, cutter!.delimiter, options)
      return { kind: 'plain', text: mark + table.heading, end: mark.length + record.end }
    })
  const begin = (bytes: Buffer) => {
    const start = bytes.toString('latin1', 0, 3)
    if (/^(\xff\xfe|\xfe\xff)/.test(start))
      throw new UsageError('the table is in UTF-16', 'save it as CSV in UTF-8')
    mark = start === BYTE_ORDER_MARK ? start : ''
    const line = bytes.toString('latin1', mark.length, MAX_ROW).split('\n', 1)[0]!
    cutter = new CsvCutter(chooseDelimiter(line.replace(/\r$/, ''), options.needed))
    head = null
    return cutter.push(bytes.subarray(mark.length))
  }
  for await (const chunk of source) {
    let records: CsvRecord[] = []
    if (cutter) records = await cutter.push(chunk)
    else {
      head = Buffer.concat([head!, chunk])
      if (head.includes('\n') || head.length > MAX_ROW) records = await begin(head)
    }
    if (records.length > 0) yield rowsOf(records)
  }
  yield rowsOf([...(head?.length ? await begin(head) : []), ...((await cutter?.end()) ?? [])])
  if (!table) throw new UsageError('there is no header line', 'the first line of CSV names the columns')
}

/** The delimiter with which the header names the columns; where several do, the one that makes most of it. */
function chooseDelimiter(header: string, needed: readonly string[]): string {
  const score = (delimiter: string) => {
    const cells = readCsvLine(header, delimiter)?.map(decode) ?? []
    return (needed.every(name => cells.includes(name)) ? MAX_ROW : 0) + cells.length
  }
  const scores = DELIMITERS.map(score)
  return DELIMITERS[scores.indexOf(Math.max(...scores))]!
}

/** What the header says, and the rows under it. */
class Table {
  readonly heading: string
  readonly #delimiter: string
  readonly #lineEnd: string
  readonly #width: number
  readonly #places: ReadonlyMap<string, number>
  readonly #replaced: ReadonlySet<number>
  readonly #keepBadRows: boolean
  /** Place of {@link ERROR_COLUMN}: its own in the input, else behind the last. */
  readonly #errorPlace: number

  /** @throws UsageError for a header that does not name the columns, or names one twice */
  constructor(header: CsvRecord, delimiter: string, { needed, replaced, keepBadRows }: ReadOptions) {
    if (!header.cells) throw new UsageError('the header line cannot be read')
    const names = header.cells.map(decode)
    for (const name of needed) {
      if (!names.includes(name))
        throw new UsageError(`there is no column ${name}`, `the columns are ${shorten(names.join(', '))}`)
      if (names.indexOf(name) !== names.lastIndexOf(name))
        throw new UsageError(`there are several columns ${name}`)
    }
    this.#delimiter = delimiter
    this.#lineEnd = lineEndOf(header.raw) || '\n'
    this.#width = names.length
    this.#places = new Map(needed.map(name => [name, names.indexOf(name)]))
    this.#replaced = new Set(replaced.map(name => names.indexOf(name)))
    this.#keepBadRows = keepBadRows
    const place = names.indexOf(ERROR_COLUMN)
    this.#errorPlace = place === -1 ? this.#width : place
    this.heading = this.#line(header, cells => {
      cells[this.#errorPlace] ??= ERROR_COLUMN
    })
  }

  row(record: CsvRecord): Row {
    const { cells, fault, raw, end } = record
    const isBlank = raw.length === lineEndOf(raw).length
    if (!fault && isBlank && this.#width > 1) return { kind: 'plain', text: raw, end }
    if (!cells || cells.length !== this.#width) return this.#badRow(record)
    return {
      kind: 'row',
      end,
      cell: name => readCell(cells[this.#places.get(name)!]!),
      write: (values, errors) =>
        this.#line(record, written => {
          for (const [name, value] of values) written[this.#places.get(name)!] = this.#encode(value ?? '')
          const earlier = cells[this.#errorPlace] ?? ''
          if (errors.length > 0)
            written[this.#errorPlace] = this.#quote(joinErrors(earlier, errors.map(encodeText)))
          else written[this.#errorPlace] ??= ''
        }),
    }
  }

  /** Keeps the shape of the table, so that what reads the output gets every row. */
  #badRow({ cells, fault = 'malformed-row', raw, end }: CsvRecord): Row {
    const kept = this.#keepBadRows ? (cells ?? []) : []
    const width = Math.max(this.#width, this.#errorPlace + 1)
    const written = Array.from({ length: width }, (_, i) =>
      i === this.#errorPlace ? fault : this.#replaced.has(i) ? '' : this.#quote(kept[i] ?? ''),
    )
    return { kind: 'bad', fault, end, text: this.#join(written, raw) }
  }

  #line({ raw, cells }: CsvRecord, change: (written: string[]) => void): string {
    const written = rawCells(raw, cells!, this.#delimiter) ?? cells!.map(cell => this.#quote(cell))
    change(written)
    return this.#join(written, raw)
  }

  #join(written: string[], raw: string): string {
    return written.join(this.#delimiter) + (lineEndOf(raw) || this.#lineEnd)
  }

  #encode(text: string): string {
    return this.#quote(encodeText(text))
  }

  /** RFC 4180 §2.5 to 2.7. */
  #quote(cell: string): string {
    return /["\r\n]/.test(cell) || cell.includes(this.#delimiter) ? `"${cell.replaceAll('"', '""')}"` : cell
  }
}

function lineEndOf(raw: string): string {
  return raw.endsWith('\r\n') ? '\r\n' : raw.endsWith('\n') ? '\n' : ''
}

/**
 * The cells of a record as they are written, quotes included.
 *
 * @returns `null` for a record that is no strict RFC 4180
 */
function rawCells(raw: string, cells: readonly string[], delimiter: string): string[] | null {
  const written: string[] = []
  let at = 0
  for (const [i, cell] of cells.entries()) {
    if (i > 0 && raw[at++] !== delimiter) return null
    const quotes = raw[at] === '"' ? cell.split('"').length + 1 : 0
    written.push(raw.slice(at, at + cell.length + quotes))
    at += cell.length + quotes
  }
  return at === raw.length - lineEndOf(raw).length ? written : null
}

function readCell(bytes: string): Cell {
  if (bytes === '') return null
  return isUtf8(Buffer.from(bytes, 'latin1')) ? { text: decode(bytes) } : { fault: 'not-text' }
}

function decode(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function encodeText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
