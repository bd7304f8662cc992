/** Reading entries back while the log goes on being written (docs/formats/audit.md, "Segments"). */

import { setImmediate as turn } from 'node:timers/promises'
import { type Entry, readHashedEntry } from '../../../protocol/audit/entry.ts'
import { entriesName } from '../../../protocol/audit/export.ts'
import type { LogFiles } from './files.ts'
import { LineReader } from './lines.ts'
import { SEGMENT_ENTRIES, segmentOf } from './segments.ts'

export class LogLines {
  readonly #files: LogFiles
  readonly #reader = new LineReader()
  /** Where the last reading ended: pages are asked for one after the other. */
  #mark = { first: 0, index: 0, offset: 0 }

  constructor(files: LogFiles) {
    this.#files = files
  }

  /**
   * Lines [from, to) in order.
   *
   * @param maxBytes after which no further line is taken
   * @param tail first index of the segment that is being written
   * @param tailBytes of it that are durable
   * @throws what the files throw
   */
  read(from: number, to: number, maxBytes: number, tail: number, tailBytes: number): string[] {
    const lines: string[] = []
    let bytes = 0
    while (from + lines.length < to && bytes < maxBytes) {
      const index = from + lines.length
      const first = segmentOf(index)
      const known = this.#mark.first === first && this.#mark.index <= index
      let at = known ? this.#mark.index : first
      const before = lines.length
      const file = this.#files.open(entriesName(first), 'read')
      try {
        const until = first === tail ? tailBytes : file.stat().size
        const offset = this.#reader.scan(file, known ? this.#mark.offset : 0, until, (buffer, start, end) => {
          if (at++ < index) return true
          lines.push(buffer.toString('utf8', start, end))
          bytes += end - start
          return at < to && bytes < maxBytes && at - first < SEGMENT_ENTRIES
        })
        this.#mark = { first, index: at, offset }
      } finally {
        file.close()
      }
      // Fewer lines than there should be: a damaged log.
      if (lines.length === before) break
    }
    return lines
  }

  /** Shows the entries [from, to) that can be read, giving way to other work after each segment. */
  async visit(
    from: number,
    to: number,
    tail: number,
    tailBytes: number,
    visit: (entry: Entry) => void,
  ): Promise<void> {
    const reader = new LineReader()
    for (let first = segmentOf(from); first < to; first += SEGMENT_ENTRIES) {
      const file = this.#files.open(entriesName(first), 'read')
      try {
        const until = first === tail ? tailBytes : file.stat().size
        reader.scan(file, 0, until, (buffer, start, end) => {
          const entry = readHashedEntry(buffer, start, end)
          if (entry !== null) visit(entry)
          return true
        })
      } finally {
        file.close()
      }
      await turn()
    }
  }
}
