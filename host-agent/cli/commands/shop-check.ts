/** `claviger shop check`: a mapping against the live database. Changes nothing. */
import { existsSync } from 'node:fs'
import { checkPasswordFile } from '../../shop/checking/password-file.ts'
import { findTraces, SHORTEST_TRACE } from '../../shop/checking/traces.ts'
import { countVersions } from '../../shop/checking/versions.ts'
import type { Mapping } from '../../shop/mapping/mapping.ts'
import { type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { readInput } from '../rows/input.ts'
import {
  checkTables,
  chooseTables,
  DATABASE_USAGE,
  readMapping,
  tellFindings,
  withDatabase,
} from '../shop/database.ts'
import { plural } from '../shop/report.ts'

const MOST_VALUES_BYTES = 1_048_576

export const command: Command = {
  summary: "check a mapping against the shop's database",
  usage: `claviger shop check MAPPING [--versions] [--table NAME…] [--json]
claviger shop check MAPPING --traces [--in PATH…] [--json] <values

${DATABASE_USAGE}  --versions       count the tokens of each column by key and version
  --traces         look for values, one a line on standard input, in the files of the database
  --in PATH        a file, or a folder with all below it, to look in: of a server's data and logs, of backups; may be given
                   again. Without it, the files of a SQLite database

Nothing is changed. The exit status is 1 where something would keep claviger shop seal from beginning, or a trace was found.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      {
        json: { type: 'boolean' },
        table: { type: 'string', multiple: true },
        versions: { type: 'boolean' },
        traces: { type: 'boolean' },
        in: { type: 'string', multiple: true },
      },
      ['MAPPING'],
    )
    const { terminal } = surroundings
    const mapping = await readMapping(positionals[0]!)
    if (options.in && !options.traces) throw new UsageError('--in is for --traces')
    if (options.traces) return lookForTraces(mapping, options.in, options.json === true, surroundings)
    const tables = chooseTables(mapping, options.table)
    return withDatabase(mapping, surroundings, async database => {
      const checked = await checkTables(database, mapping, tables)
      const own = await checkPasswordFile(mapping.database)
      const findings = [...own, ...checked.flatMap(({ findings }) => findings)]
      const isFaulty = findings.some(({ is }) => is === 'fault')
      const versions = []
      if (options.versions && !isFaulty)
        for (const { mapping, table } of checked)
          for (const each of await countVersions(database, mapping, table!))
            versions.push({ table: mapping.name, ...each, tokens: Object.fromEntries(each.tokens) })
      if (options.json) {
        const counted = checked.map(({ mapping, rows }) => ({ table: mapping.name, rows }))
        terminal.printJson({ tables: counted, findings, ...(options.versions ? { versions } : {}) })
        return isFaulty ? 1 : 0
      }
      terminal.table(
        ['table', 'rows', 'faults'],
        checked.map(({ mapping, rows, findings }) => [
          terminal.tame(mapping.name),
          String(rows),
          String(findings.filter(({ is }) => is === 'fault').length),
        ]),
      )
      if (versions.length > 0)
        terminal.table(
          ['column', 'tokens', 'not sealed', 'empty'],
          versions.map(({ table, column, tokens, open, empty }) => [
            terminal.tame(`${table}.${column}`),
            Object.entries(tokens)
              .map(([version, count]) => `${version}: ${count}`)
              .join(', ') || '-',
            String(open),
            String(empty),
          ]),
        )
      return tellFindings([{ table: null, rows: 0, findings: own }, ...checked], terminal) > 0 ? 1 : 0
    })
  },
}

async function lookForTraces(
  { database }: Mapping,
  given: readonly string[] | undefined,
  json: boolean,
  { terminal, stdin }: Surroundings,
): Promise<number> {
  const own =
    database.kind === 'sqlite'
      ? ['', '-wal', '-journal'].map(end => `${database.file}${end}`).filter(existsSync)
      : []
  const paths = given ?? own
  if (paths.length === 0)
    throw new UsageError(
      '--in is missing',
      "name the server's data folder, its logs and backups: only they know where these are",
    )
  const text = (await readInput(stdin, MOST_VALUES_BYTES)).toString('utf8')
  const values = text.split(/\r?\n/).filter(value => value !== '')
  const long = values.filter(value => Buffer.byteLength(value) >= SHORTEST_TRACE)
  if (long.length === 0)
    throw new UsageError(
      'there is no value to look for on standard input',
      `one a line, of at least ${SHORTEST_TRACE} bytes, as they were before sealing`,
    )
  const bar = terminal.progress('looking', 'bytes')
  const { files, traces } = await findTraces(paths, long, bytes => bar.update(bytes)).finally(() => bar.end())
  if (json) terminal.printJson({ files, values: long.length, traces })
  else {
    if (long.length < values.length)
      terminal.say(`${plural(values.length - long.length, 'value')} too short to look for`)
    for (const { path, values } of traces)
      terminal.print(terminal.tame(`${path}: ${plural(values, 'value')}`))
    terminal.say(
      traces.length > 0
        ? `found in ${plural(traces.length, 'file')} of ${files}`
        : `none of ${plural(long.length, 'value')} is in ${plural(files, 'file')}`,
    )
  }
  return traces.length > 0 ? 1 : 0
}
