/** What a command is, and the errors that end one. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { isName } from '../../protocol/envelope/context.ts'
import type { Terminal } from './terminal.ts'

/** Where a command runs: everything it may touch of its process. */
export interface Surroundings {
  terminal: Terminal
  env: NodeJS.ProcessEnv
  /** Standard input, for rows and values. */
  stdin: NodeJS.ReadableStream & { isTTY?: boolean }
}

/** One command. */
export interface Command {
  /** One line for the list of commands. */
  summary: string
  /** Usage, printed for `--help` and after a usage error. */
  usage: string
  /** @returns the exit status; refusals and failures are thrown */
  run(args: string[], surroundings: Surroundings): Promise<number>
}

/** The command line does not make sense: exit status 2. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** @throws UsageError for what cannot name an agent or a key */
export function assertName(name: string): void {
  if (!isName(name))
    throw new UsageError(
      `${name} cannot be a name`,
      'a name has 1 to 32 of a-z, 0-9, dot and hyphen, and starts with a letter or digit',
    )
}

type Options = NonNullable<ParseArgsConfig['options']>

/** Options that every command has. */
export const COMMON = {
  json: { type: 'boolean' },
  as: { type: 'string' },
  at: { type: 'string' },
} as const satisfies Options

/**
 * Parses the arguments of a command.
 *
 * @param positionals - names of the positional arguments, for messages; fewer or more are a usage error
 * @throws UsageError
 */
export function readArguments<const O extends Options, const P extends readonly string[]>(
  args: string[],
  options: O,
  positionals: P,
) {
  const parsed = tryParse(args, options)
  const given = parsed.positionals
  if (given.length > positionals.length)
    throw new UsageError(`${given[positionals.length]} is one argument too many`)
  const missing = positionals.slice(given.length).find(name => !name.endsWith('?'))
  if (missing) throw new UsageError(`${missing} is missing`)
  return { options: parsed.values, positionals: given as { -readonly [K in keyof P]: string } }
}

function tryParse<const O extends Options>(args: string[], options: O) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true })
  } catch (error) {
    const message = (error as Error).message.split('. ')[0]!
    throw new UsageError(message.charAt(0).toLowerCase() + message.slice(1))
  }
}
