/** `claviger admin audit tail`: the newest entries of the log, and those that come. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readCheckpoint } from '../../../protocol/audit/checkpoint.ts'
import { readEntry } from '../../../protocol/audit/entry.ts'
import type { Appliance } from '../../client/appliance.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { Terminal } from '../terminal.ts'
import { describeEntry, HEADINGS } from './describe.ts'

/** Most entries in one answer. */
const PAGE = 1000
const POLL_MS = 1000

export interface TailOptions {
  /** How many of the newest entries. */
  count: number
  /** Prints entries as they come, until then. */
  follow: AbortSignal | null
  /** The lines as they stand in the log, one JSON document each. */
  json: boolean
}

export async function tail(
  appliance: Appliance,
  terminal: Terminal,
  { count, follow, json }: TailOptions,
): Promise<void> {
  const rows = new Rows(terminal, json)
  const show = (lines: readonly string[]) => rows.print(lines)
  let next = await readOn(appliance, Math.max(0, (await signedSize(appliance)) - count), lines => {
    // More may have come since, or the checkpoint of a locked device may be behind.
    show(lines.slice(-count))
  })
  while (follow && !follow.aborted) {
    await sleep(POLL_MS, undefined, { signal: follow }).catch(() => {})
    if (follow.aborted) break
    // Reading is itself an entry of the log, so nothing is read until there is something new.
    if ((await signedSize(appliance)) > next)
      next = await readOn(appliance, next, lines => show(lines.filter(isNews)))
  }
}

/** Entries under the newest checkpoint; 0 where there is none. */
async function signedSize(appliance: Appliance): Promise<number> {
  const { checkpoint } = await appliance.auditCheckpoint()
  return checkpoint === null ? 0 : readCheckpoint(checkpoint).size
}

/**
 * Reads from an entry on to the end, and hands over the lines all at once.
 *
 * @returns the index after the last one
 */
async function readOn(
  appliance: Appliance,
  from: number,
  use: (lines: readonly string[]) => void,
): Promise<number> {
  const lines: string[] = []
  for (let next = from; ; ) {
    const { entries, oldest, size } = await appliance.auditEntries({ from: next, limit: PAGE })
    next = Math.max(next, oldest) + entries.length
    lines.push(...entries)
    if (next < size && entries.length > 0) continue
    if (next < size)
      throw new ConnectionError('bad-response', `the device does not give entry ${next} of its log`)
    use(lines)
    return next
  }
}

/** While one follows the log, that it is read is no news. */
function isNews(line: string): boolean {
  return readEntry(line)?.action !== 'auditEntries'
}

/** A table that grows: columns are as wide as the first rows were. */
class Rows {
  readonly #terminal: Terminal
  readonly #json: boolean
  #widths: number[] | null = null

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal
    this.#json = json
  }

  print(lines: readonly string[]): void {
    const terminal = this.#terminal
    if (this.#json) {
      for (const line of lines) terminal.print(line)
      return
    }
    const rows = lines.map(line => cellsOf(line).map(cell => terminal.tame(cell)))
    if (this.#widths === null) {
      this.#widths = HEADINGS.map((heading, i) =>
        Math.max(heading.length, ...rows.map(row => row[i]?.length ?? 0)),
      )
      rows.unshift(HEADINGS)
    }
    for (const row of rows)
      terminal.print(
        row
          .map((cell, i) => cell.padEnd(this.#widths![i]!))
          .join('  ')
          .trimEnd(),
      )
  }
}

function cellsOf(line: string): string[] {
  const entry = readEntry(line)
  return entry ? describeEntry(entry) : ['', '', '', `a line that is no entry: ${line.slice(0, 60)}`]
}
