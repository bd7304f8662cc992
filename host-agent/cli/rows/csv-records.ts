/**
 * Cuts CSV into records (RFC 4180) with csv-parse, and goes on behind whatever is not CSV.
 *
 * Cells are latin1 text, one character for each byte: bytes that nobody asks for pass unharmed in whatever encoding they
 * are. A record that csv-parse refuses, or that is too long, or whose quote is never closed, gives up its first line:
 * read alone and with quotes taken literally where that makes sense, else as a bad row. A record can only span lines
 * that each leave its quote open, and the same lines read from their start leave none open, so that reading them again
 * costs no more than twice the time.
 */
import { type Parser, parse } from 'csv-parse'
import { parse as parseSync } from 'csv-parse/sync'
import { MAX_ROW, type RowCode } from './row.ts'

/** One record. */
export interface CsvRecord {
  /** Its bytes with the line end. */
  readonly raw: string
  /** `null` for a line that cannot be read. */
  readonly cells: string[] | null
  readonly fault?: RowCode
  /** Bytes of input up to its end. */
  readonly end: number
}

/** csv-parse looks ahead by less than this many bytes, so that many may follow a record that it has not told yet. */
const LOOKAHEAD = 16
const SLICE = 65_536
const LINE_FEED = 10

const common = (delimiter: string) => ({
  encoding: 'latin1' as const,
  delimiter,
  record_delimiter: ['\r\n', '\n'],
  relax_column_count: true,
})

/** Reads the cells of one line, quotes taken literally where they mean nothing; `null` when one is left open. */
export function readCsvLine(line: string, delimiter: string): string[] | null {
  if (line === '') return ['']
  try {
    const records = parseSync(Buffer.from(line, 'latin1'), { ...common(delimiter), relax_quotes: true })
    return records.length === 1 ? (records[0] as string[]) : null
  } catch {
    return null
  }
}

/** Takes bytes, gives records. */
export class CsvCutter {
  readonly delimiter: string
  /** Input behind the last record that was given. */
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of input before {@link #rest}. */
  #offset = 0
  /** `null` while the start of {@link #rest} is no record and its first line is not complete yet. */
  #parser: Parser | null = null
  #found: { cells: string[]; end: number }[] = []
  /** Within a line that is too long. */
  #skipping = false

  constructor(delimiter: string) {
    this.delimiter = delimiter
    this.#parser = this.#start()
  }

  /** The records that a chunk completes. */
  async push(chunk: Uint8Array): Promise<CsvRecord[]> {
    const records: CsvRecord[] = []
    for (let at = 0; at < chunk.length; at += SLICE) {
      const slice = chunk.subarray(at, at + SLICE)
      this.#rest = Buffer.concat([this.#rest, slice])
      await this.#advance(Buffer.from(slice), records)
    }
    return records
  }

  /** The records that the end of the input completes. */
  async end(): Promise<CsvRecord[]> {
    const records: CsvRecord[] = []
    while (!this.#skipping && this.#rest.length > 0) {
      const isRead = this.#parser !== null && (await this.#finish(this.#parser))
      if ((this.#take(records) && isRead) || this.#rest.length === 0) break
      this.#takeLine(records)
      this.#parser = this.#start()
      await this.#advance(this.#rest, records)
    }
    return records
  }

  #start(): Parser {
    const base = this.#offset
    const parser = parse({
      ...common(this.delimiter),
      // Taken here, and never pushed: nobody reads the stream.
      on_record: (cells: string[], { bytes }) => {
        this.#found.push({ cells, end: base + bytes })
        return null
      },
    })
    parser.on('error', () => {})
    return parser
  }

  /** Parses what came, until nothing of {@link #rest} can be given for now. */
  async #advance(fresh: Buffer, records: CsvRecord[]): Promise<void> {
    for (let bytes = fresh; ; bytes = this.#rest) {
      if (this.#skipping) {
        const end = this.#rest.indexOf(LINE_FEED) + 1
        this.#drop(end || this.#rest.length)
        if (end === 0) return
        this.#skipping = false
        this.#parser = this.#start()
      } else {
        const isRead = this.#parser !== null && (await this.#feed(this.#parser, bytes))
        if (this.#take(records) && isRead && this.#rest.length <= MAX_ROW + LOOKAHEAD) return
        this.#parser = null
        if (this.#rest.includes(LINE_FEED)) {
          this.#takeLine(records)
          this.#parser = this.#start()
        } else if (this.#rest.length > MAX_ROW) {
          records.push({ raw: '', cells: null, fault: 'too-large', end: this.#offset + this.#rest.length })
          this.#skipping = true
        } else return
      }
      if (this.#rest.length === 0) return
    }
  }

  #feed(parser: Parser, bytes: Buffer): Promise<boolean> {
    return new Promise(resolve => parser.write(bytes, error => resolve(!error)))
  }

  #finish(parser: Parser): Promise<boolean> {
    return new Promise(resolve => parser.end((error?: Error | null) => resolve(!error)))
  }

  /**
   * Gives the records that the parser found.
   *
   * @returns false when it stopped before one that is too long
   */
  #take(records: CsvRecord[]): boolean {
    const found = this.#found
    this.#found = []
    for (const { cells, end } of found) {
      const length = end - this.#offset
      if (length > MAX_ROW) return false
      const raw = this.#rest.toString('latin1', 0, length)
      this.#drop(length)
      records.push({ raw, cells, end })
    }
    return true
  }

  /** Gives the first line, or what is there of it, as a record of its own. */
  #takeLine(records: CsvRecord[]): void {
    const length = this.#rest.indexOf(LINE_FEED) + 1 || this.#rest.length
    const raw = length > MAX_ROW ? '' : this.#rest.toString('latin1', 0, length)
    this.#drop(length)
    const end = this.#offset
    const cells = length > MAX_ROW ? null : readCsvLine(raw.replace(/\r?\n$/, ''), this.delimiter)
    if (cells) records.push({ raw, cells, end })
    else records.push({ raw, cells, fault: length > MAX_ROW ? 'too-large' : 'malformed-row', end })
  }

  #drop(length: number): void {
    this.#rest = this.#rest.subarray(length)
    this.#offset += length
  }
}
