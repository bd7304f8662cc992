/** `claviger shop check`: a mapping against the live database. Changes nothing. */
import { type Command, readArguments } from '../command.ts'
import {
  checkTables,
  chooseTables,
  DATABASE_USAGE,
  readMapping,
  tellFindings,
  withDatabase,
} from '../shop/database.ts'

export const command: Command = {
  summary: "check a mapping against the shop's database",
  usage: `claviger shop check MAPPING [--table NAME…] [--json]

${DATABASE_USAGE}
Nothing is changed. The exit status is 1 where something would keep claviger shop seal from beginning.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      { json: { type: 'boolean' }, table: { type: 'string', multiple: true } },
      ['MAPPING'],
    )
    const { terminal } = surroundings
    const mapping = await readMapping(positionals[0]!)
    const tables = chooseTables(mapping, options.table)
    return withDatabase(mapping, surroundings, async database => {
      const checked = await checkTables(database, mapping, tables)
      const findings = checked.flatMap(({ findings }) => findings)
      if (options.json) {
        terminal.printJson({
          tables: checked.map(({ mapping, rows }) => ({ table: mapping.name, rows })),
          findings,
        })
        return findings.some(({ is }) => is === 'fault') ? 1 : 0
      }
      terminal.table(
        ['table', 'rows', 'faults'],
        checked.map(({ mapping, rows, findings }) => [
          terminal.tame(mapping.name),
          String(rows),
          String(findings.filter(({ is }) => is === 'fault').length),
        ]),
      )
      return tellFindings(checked, terminal) > 0 ? 1 : 0
    })
  },
}
