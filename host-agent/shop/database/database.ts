/**
 * A shop's database as sealing needs it: what a table is, its rows in the order of their key, and rows replaced only where they are still
 * what was read. One implementation for each kind of database.
 */

/** A column of a table. */
export interface Column {
  readonly name: string
  /** The type as the database writes it, such as `varchar(32)`. */
  readonly type: string
  /** `text` can hold a token, `integer` and `text` can be a key, `other` is neither. */
  readonly holds: 'text' | 'integer' | 'other'
  /** Most characters that it takes; `null` where nothing is enforced. */
  readonly length: number | null
  /** Most bytes that it takes; `null` where nothing is enforced. */
  readonly bytes: number | null
  readonly nullable: boolean
  /** Whether the database computes it. */
  readonly generated: boolean
  readonly charset: string | null
  readonly collation: string | null
}

/** An index that lets no two rows be equal. */
export interface UniqueKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly primary: boolean
}

/** What a table is. */
export interface Table {
  readonly name: string
  /** Whether it is a view or something else that rows cannot be replaced in. */
  readonly isView: boolean
  /** Whether changes to it can be taken back. */
  readonly transactional: boolean
  readonly columns: readonly Column[]
  readonly uniqueKeys: readonly UniqueKey[]
  /** Names of the triggers that run when a row is updated. */
  readonly updateTriggers: readonly string[]
  /** Columns that are part of a foreign key, in this table or from others. */
  readonly foreign: readonly string[]
}

/** Text of a cell; `null` is NULL. */
export type Cell = string | null

/** The columns that make the key of a row, and those that are wanted. */
export interface Selection {
  readonly table: Table
  readonly key: readonly string[]
  readonly columns: readonly string[]
}

/** A row: texts in the order of the selection. */
export interface Row {
  readonly key: readonly string[]
  readonly cells: readonly Cell[]
}

/** Rows after a key, up to another and with that; `null` is the beginning or the end of the table. */
export interface KeyRange {
  readonly after: readonly string[] | null
  readonly upTo: readonly string[] | null
}

/** Values that are looked for in a column. */
export interface Old {
  /** As LIKE takes them. */
  readonly patterns: readonly string[]
  /** Whether text that is no token is meant, too. */
  readonly plain: boolean
}

/** What a row becomes. */
export interface Replacement {
  readonly row: Row
  /** By column. */
  readonly values: ReadonlyMap<string, Cell>
}

/** What is said about the values of a column. */
export interface Extent {
  /** Rows of the table. */
  readonly rows: number
  readonly nulls: number
  /** Length of the longest value that is no token, in bytes of UTF-8; 0 where there is none. */
  readonly longest: number
  /** Values that are no text, as SQLite allows in any column. */
  readonly notText: number
}

/** An open database. Every method throws DatabaseError `database-failed`. */
export interface Database {
  readonly kind: 'sqlite' | 'mariadb' | 'postgres'
  /** @returns `null` where there is no such table */
  describe(table: string): Promise<Table | null>
  count(table: Table): Promise<number>
  extent(table: Table, column: string): Promise<Extent>
  /** How many keys occur more than once, of the columns that are to be one. */
  duplicates(table: Table, key: readonly string[]): Promise<number>
  /** How many values of a column are old; the server looks, and sends none of them. */
  remaining(table: Table, column: string, old: Old): Promise<number>
  /** @returns the key of the `count`-th row after another; `null` where fewer follow */
  boundary(
    table: Table,
    key: readonly string[],
    after: readonly string[] | null,
    count: number,
  ): Promise<readonly string[] | null>
  /**
   * The next rows in the order of the key.
   *
   * @param after - key of the last row of the page before
   * @param upTo - the last key; `null` and nothing are the end of the table
   */
  page(
    selection: Selection,
    after: readonly string[] | null,
    limit: number,
    upTo?: readonly string[] | null,
  ): Promise<Row[]>
  /** The rows of these keys that are still there, in any order. */
  pick(selection: Selection, keys: readonly (readonly string[])[]): Promise<Row[]>
  /**
   * Replaces rows in one transaction, each only if every cell is, byte for byte, still what was read. Before it commits it reads
   * back what it wrote; if that is something else, nothing was changed.
   *
   * @returns for each, whether it was replaced
   */
  replace(selection: Selection, replacements: readonly Replacement[]): Promise<boolean[]>
  close(): Promise<void>
}
