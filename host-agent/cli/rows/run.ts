/** Converts rows to standard output with a bar, and sums up on standard error: the same for rows that are read and rows of a database. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { Surroundings } from '../command.ts'
import { convert, newTally, type Tally, type Work } from './convert.ts'
import type { Mapping } from './mapping.ts'
import type { Row, RowFormat } from './row.ts'

export interface RowRun {
  rows: AsyncIterable<Row[]>
  mapping: Mapping
  encoding: RowFormat['encoding']
  /** `opening`, `opened`: for the bar and the summary. */
  verb: { doing: string; done: string }
  /** What to do about failures, by code. */
  hints: Record<string, string>
  progress: { unit: 'items' | 'bytes'; total: number | undefined; done(tally: Tally): number }
  /** Hands over a way to convert cells, and takes it back. */
  withWork(use: (work: Work) => Promise<void>): Promise<void>
  /** Called when the rows are of no more use. */
  stop(): void
  /** What else kept rows from being written, for the summary. */
  remarks?(): { text: string[]; json: object }
}

/**
 * @returns the exit status
 * @throws ClavigerError unless the options ask for JSON
 */
export async function runConversion(
  { json = false }: { json?: boolean | undefined },
  { terminal }: Pick<Surroundings, 'terminal'>,
  { rows, mapping, encoding, verb, hints, progress, withWork, stop, remarks }: RowRun,
): Promise<number> {
  const tally = newTally()
  const started = performance.now()
  const bar = terminal.progress(verb.doing, progress.unit)
  const summary = () => {
    const more = remarks?.() ?? { text: [], json: {} }
    const told = summarize(tally, verb.done, (performance.now() - started) / 1000)
    return { text: told.text, remarks: more.text, json: { ...told.json, ...more.json } }
  }
  try {
    await withWork(work =>
      convert({
        rows,
        mapping,
        work,
        tally,
        stop,
        write: async text => {
          const bytes = Buffer.from(text, encoding)
          await terminal.write(terminal.isScreen ? terminal.tame(bytes.toString('utf8')) : bytes)
          // Where the rows come to the screen they are the progress.
          if (!terminal.isScreen) bar.update(progress.done(tally), progress.total)
        },
      }),
    )
  } catch (error) {
    bar.end()
    if (!(error instanceof ClavigerError)) throw error
    if (!json) {
      terminal.say(`stopped; ${plural(tally.rows, 'row')} written: ${summary().text}`)
      throw error
    }
    const { code, message, hint } = error
    terminal.explain(
      `${JSON.stringify({ ...summary().json, error: { code, message, ...(hint ? { hint } : {}) } })}\n`,
    )
    return 1
  }
  bar.end()
  const told = summary()
  const isClean = tally.failed.size === 0 && tally.bad.size === 0 && told.remarks.length === 0
  if (json) terminal.explain(`${JSON.stringify(told.json)}\n`)
  else {
    terminal.say(told.text)
    for (const remark of told.remarks) terminal.say(terminal.tame(remark))
    for (const code of tally.failed.keys()) if (hints[code]) terminal.hint(`${code}: ${hints[code]}`)
  }
  return isClean ? 0 : 1
}

function summarize(
  { rows, fields, done, encoded, failed, bad, firstFailure }: Tally,
  verb: string,
  seconds: number,
): { text: string; json: object } {
  const list = (counts: Map<string, number>) =>
    [...counts].map(([code, times]) => `${code} ${times}`).join(', ')
  const sum = (counts: Map<string, number>) => [...counts.values()].reduce((a, b) => a + b, 0)
  const text = [
    `${verb} ${done} of ${plural(fields, 'field')} in ${seconds.toFixed(1)} s`,
    ...(failed.size > 0 ? [`${sum(failed)} failed: ${list(failed)}`] : []),
    ...(bad.size > 0 ? [`${plural(sum(bad), 'row')} could not be read: ${list(bad)}`] : []),
    ...(firstFailure === null ? [] : [`the first failure is in row ${firstFailure}`]),
    ...(encoded > 0 ? [`${plural(encoded, 'value')} not text, written as base64url`] : []),
  ].join('; ')
  const json = {
    rows,
    fields,
    [verb]: done,
    failed: Object.fromEntries(failed),
    badRows: Object.fromEntries(bad),
    firstFailure,
    base64url: encoded,
    seconds: Math.round(seconds * 1000) / 1000,
  }
  return { text, json }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
