/** What came of tables, for people. */
import { ROW_FAULTS } from '../../shop/sealing/codes.ts'
import type { TableReport } from '../../shop/sealing/report.ts'
import type { Terminal } from '../terminal.ts'

/** Prints a line for each table, and for each reason why rows stayed as they were. */
export function tellRows(
  reports: readonly TableReport[],
  headings: { sealed: string; before: string },
  terminal: Terminal,
): void {
  const refused = ({ faults }: TableReport) => faults.reduce((sum, { rows }) => sum + rows, 0)
  terminal.table(
    ['table', 'rows', headings.sealed, headings.before, 'empty', 'taken again', 'refused'],
    reports.map(report => [
      terminal.tame(report.table),
      ...[report.rows, report.sealed, report.before, report.empty, report.again, refused(report)].map(String),
    ]),
  )
  for (const { table, faults } of reports)
    for (const { fault, where, rows, first } of faults)
      terminal.say(
        terminal.tame(
          `${table}: ${plural(rows, 'row')} stayed as ${rows === 1 ? 'it was' : 'they were'}, ${fault}: ${where}: ` +
            `${ROW_FAULTS[fault]}; the first: ${first.join(', ')}`,
        ),
      )
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
