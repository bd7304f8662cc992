/** `claviger admin audit`: read, export, verify and archive the log, and prove that an entry is in it. */
import { readFile } from 'node:fs/promises'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { parseVerifierKey, type VerifierKey } from '../../../protocol/audit/checkpoint.ts'
import { readEntry } from '../../../protocol/audit/entry.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { Profile } from '../../client/profile.ts'
import { archive, verifyForArchive } from '../audit/archive.ts'
import { describeEntry, HEADINGS } from '../audit/describe.ts'
import { exportLog } from '../audit/export.ts'
import { readFolder, verifyFolder } from '../audit/folder.ts'
import { prove } from '../audit/prove.ts'
import { tail } from '../audit/tail.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

const MAX_TAIL = 100_000
const TAIL = 20

const OPTIONS = {
  ...COMMON,
  lines: { type: 'string', short: 'n' },
  follow: { type: 'boolean', short: 'f' },
  key: { type: 'string' },
  'key-file': { type: 'string' },
} as const

interface Options extends Choice {
  json?: boolean | undefined
  lines?: string | undefined
  follow?: boolean | undefined
  key?: string | undefined
  'key-file'?: string | undefined
}

type Run = (options: Options, argument: string | undefined, surroundings: Surroundings) => Promise<number>

/** The verbs, and what each takes. */
const VERBS: Record<string, { argument: string | null; takes: readonly string[]; run: Run }> = {
  tail: { argument: null, takes: ['lines', 'follow'], run: runTail },
  export: { argument: 'DIR', takes: [], run: runExport },
  verify: { argument: 'DIR', takes: ['key', 'key-file'], run: runVerify },
  prove: { argument: 'INDEX', takes: [], run: runProve },
  archive: { argument: 'DIR', takes: [], run: runArchive },
}

export const command: Command = {
  summary: 'read, export, verify and archive the log',
  usage: `claviger admin audit tail [-n N] [--follow]
claviger admin audit export DIR
claviger admin audit verify DIR [--key KEY | --key-file FILE]
claviger admin audit prove INDEX
claviger admin audit archive DIR

  -n N, --lines N  how many of the newest entries (default ${TAIL})
  -f, --follow     print entries as they come, until Ctrl-C
  --key KEY        the log's public key, as export prints it; verify needs nothing else, and no device
  --key-file FILE  a file that holds it; with neither, the key that an enrolment of this machine has pinned
  --as NAME, --at ADDRESS, --json

export adds to DIR what it does not hold yet. archive tells the device that DIR holds its old entries, once
that is verified: the device drops them then, and can still prove them. Reading the log is logged.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, OPTIONS, [
      Object.keys(VERBS).join(', '),
      'ARGUMENT?',
    ])
    const [name, argument] = positionals as [name: string, argument?: string]
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name]! : undefined
    if (!verb) throw new UsageError(`there is no admin audit ${name}`)
    if (verb.argument === null && argument !== undefined) throw new UsageError(`${name} takes no ${argument}`)
    if (verb.argument !== null && argument === undefined) throw new UsageError(`${verb.argument} is missing`)
    const general = [...Object.keys(COMMON), ...verb.takes]
    const stray = Object.keys(options).find(option => !general.includes(option))
    if (stray) throw new UsageError(`--${stray} is not for admin audit ${name}`)
    return verb.run(options, argument, surroundings)
  },
}

const auditorOf = (options: Options, surroundings: Surroundings) =>
  chooseProfile(options, surroundings, ['auditor', 'administrator'])

async function runTail(options: Options, _: string | undefined, surroundings: Surroundings): Promise<number> {
  const { lines = String(TAIL), follow, json = false } = options
  const count = /^\d{1,6}$/.test(lines) ? Number(lines) : 0
  if (count < 1 || count > MAX_TAIL) throw new UsageError(`-n takes a number from 1 to ${MAX_TAIL}`)
  const profile = await auditorOf(options, surroundings)
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort()
  if (follow) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  await withAppliance(
    profile,
    surroundings,
    appliance =>
      tail(appliance, surroundings.terminal, { count, follow: follow ? interrupted.signal : null, json }),
    { onlyLooks: true },
  )
  return 0
}

async function runProve(
  options: Options,
  argument: string | undefined,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  if (!/^\d{1,15}$/.test(argument!)) throw new UsageError(`${argument} is not the number of an entry`)
  const index = Number(argument)
  const profile = await auditorOf(options, surroundings)
  const logKey = logKeyOf(profile)
  const { entry, size, checkpoint } = await withAppliance(profile, surroundings, appliance =>
    prove(appliance, logKey, index),
  )
  if (options.json) {
    terminal.printJson({ index, entry, size, checkpoint, proven: true })
    return 0
  }
  const read = readEntry(entry)
  if (read) terminal.table(HEADINGS, [describeEntry(read).map(cell => terminal.tame(cell))])
  terminal.print(terminal.tame(entry))
  terminal.print(`entry ${index} is in the log of ${size} entries that the device has signed`)
  return 0
}

async function runExport(
  options: Options,
  directory: string | undefined,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await auditorOf(options, surroundings)
  const logKey = logKeyOf(profile)
  const progress = (label: string) => terminal.progress(label)
  const exported = await withAppliance(profile, surroundings, appliance =>
    exportLog({ appliance, logKey, directory: directory!, progress }),
  )
  const { first, size, added } = exported
  if (options.json) terminal.printJson({ directory, logKey, ...exported })
  else {
    terminal.print(
      `${directory} holds the entries ${first} to ${size - 1}, ${added} of them new, all verified`,
    )
    terminal.hint(`anybody can verify it: claviger admin audit verify ${directory} --key ${logKey}`)
  }
  return 0
}

async function runVerify(
  options: Options,
  directory: string | undefined,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const verifierKey = await readVerifierKey(options, surroundings)
  const folder = await readFolder(directory!)
  const bar = terminal.progress('verifying')
  const onProgress = (done: number, total: number) => bar.update(done, total)
  const { first, size, entries, origin, root } = await verifyFolder(folder, {
    verifierKey,
    onProgress,
  }).finally(() => bar.end())
  if (options.json)
    terminal.printJson({ origin, first, size, entries, root: Buffer.from(root).toString('base64') })
  else
    terminal.print(
      `the ${entries} entries from ${first} on are what ${origin} signed; none is missing or changed`,
    )
  return 0
}

async function runArchive(
  options: Options,
  directory: string | undefined,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const logKey = logKeyOf(profile)
  const bar = terminal.progress('verifying')
  const folder = await verifyForArchive(directory!, logKey, bar).finally(() => bar.end())
  const { oldest, size, dropped } = await withAppliance(profile, surroundings, appliance =>
    archive(appliance, folder),
  )
  if (options.json) terminal.printJson({ directory, oldest, size, dropped })
  else {
    terminal.print(
      dropped === 0
        ? 'nothing was dropped'
        : `the device dropped ${dropped} entries; its oldest is ${oldest}`,
    )
    if (dropped === 0)
      terminal.hint('entries stay for 31 days, because budgets count them, and go by thousands')
  }
  return 0
}

async function readVerifierKey(options: Options, surroundings: Surroundings): Promise<VerifierKey> {
  const { key, 'key-file': file } = options
  if (key !== undefined && file !== undefined) throw new UsageError('--key and --key-file are one too many')
  if (key === undefined && file === undefined)
    return parseVerifierKey(logKeyOf(await chooseProfile(options, surroundings)))
  const text =
    key ??
    (await readFile(file!, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`${file} cannot be read: ${error.code}`)
    }))
  try {
    return parseVerifierKey(text.trim())
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error
    throw new UsageError(error.message, 'it looks like claviger/default+0123abcd+…; export prints it')
  }
}

/** @throws ConnectionError `bad-profile` */
function logKeyOf({ name, logKey }: Profile): string {
  if (logKey !== undefined) return logKey
  throw new ConnectionError('bad-profile', `${name} does not know the key of the log`, {
    hint: 'enrol again with a new invitation',
  })
}
