/** Rows of a table as a reader hands them on: what can be read from each, and how it is written back. */

/**
 * What can be wrong with a row or a cell besides the codes that the device answers with.
 *
 * - `malformed-row`: not a JSON object, a wrong number of cells, a quote that is not closed
 * - `too-large`: a row of more than {@link MAX_ROW}, or a value that is too long to be sealed
 * - `missing-column`: the row has no such column, or an empty one where the record needs its name
 * - `not-text`: not UTF-8, or a JSON value that is neither text nor a number
 */
export type RowCode = 'malformed-row' | 'too-large' | 'missing-column' | 'not-text'

/** Largest row, in bytes with its line end. */
export const MAX_ROW = 1_048_576

/** The column, or property, that says what failed in a row. */
export const ERROR_COLUMN = 'claviger_error'

/** A cell: its text, `null` for an empty one, or what is wrong with it. */
export type Cell = { text: string } | null | { fault: RowCode }

interface Line {
  /** Bytes of input up to the end of this line. */
  readonly end: number
}

/** A heading or a blank line: written as it is, and counted nowhere. */
export interface PlainLine extends Line {
  readonly kind: 'plain'
  readonly text: string
}

/** A row that cannot be read, and what stands for it in the output. */
export interface BadRow extends Line {
  readonly kind: 'bad'
  readonly fault: RowCode
  readonly text: string
}

/** A row whose cells can be read. */
export interface GoodRow extends Line {
  readonly kind: 'row'
  cell(name: string): Cell
  /**
   * The row as text with its line end.
   *
   * @param values - what replaces cells; `null` empties one
   * @param errors - `column:code` of each failure
   */
  write(values: ReadonlyMap<string, string | null>, errors: readonly string[]): string
}

export type Row = PlainLine | BadRow | GoodRow

/** What a reader has to know. */
export interface ReadOptions {
  /** Columns that will be asked for. */
  needed: readonly string[]
  /** Columns that will be replaced. */
  replaced: readonly string[]
  /**
   * Whether a bad row's contents are written as far as they can be. Not while sealing: a cell in the wrong place could
   * be the one that was to be sealed.
   */
  keepBadRows: boolean
}

/** A format of tables. */
export interface RowFormat {
  /** How the text of its rows becomes bytes. */
  readonly encoding: 'latin1' | 'utf8'
  /** Reads rows, all that a chunk completes at a time. Memory is bounded by {@link MAX_ROW} whatever comes. */
  read(source: AsyncIterable<Uint8Array>, options: ReadOptions): AsyncGenerator<Row[]>
}

/** Adds failures to those that an earlier run has left in the row. */
export function joinErrors(earlier: string, errors: readonly string[]): string {
  return [...(earlier === '' ? [] : [earlier]), ...errors].join(',')
}
