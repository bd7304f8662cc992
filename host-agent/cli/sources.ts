/** Which source of keys a command opens with, and the source itself (docs/key-sources.md). */
import { resolve } from 'node:path'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { type Profile, profileDirectory } from '../client/profile.ts'
import { readSettings } from '../client/settings.ts'
import { applianceSource } from '../client/sources/appliance.ts'
import { openSource, parseSource, type SourceChoice } from '../client/sources/choose.ts'
import { type KeySource, RISKS } from '../client/sources/source.ts'
import { withTouch } from '../client/touch.ts'
import { type Surroundings, UsageError } from './command.ts'
import { type Choice, type Connecting, chooseProfile, connectHere } from './session.ts'

export const SOURCE_OPTIONS = {
  source: { type: 'string' },
  'passphrase-fd': { type: 'string' },
} as const

export const SOURCE_USAGE = `  --source SOURCE  what opens: the name of an enrolment with an appliance, local:FILE, manual:NAME or
                   manual:PUBLICKEY; else $CLAVIGER_SOURCE, else "source" in settings.json, else the appliance
  --passphrase-fd N  for local: and manual:, read the passphrase from file descriptor N instead of the terminal
`

/** The options of {@link SOURCE_OPTIONS}, and those of an appliance. */
export interface SourceOptions extends Choice {
  source?: string | undefined
  'passphrase-fd'?: string | undefined
}

/** A source that has a passphrase. */
export type Typed = Exclude<SourceChoice, { kind: 'appliance' }>

/** A source that was chosen: an enrolment, or where its passphrase leads. */
export type Chosen = { kind: 'appliance'; profile: Profile } | Typed

/**
 * What `--source` names; without it, the enrolment of `--as`; else what this machine has as its default; else its only operator.
 *
 * @throws UsageError for a choice that makes no sense, ConnectionError `bad-profile`
 */
export async function chooseSource(options: SourceOptions, surroundings: Surroundings): Promise<Chosen> {
  const { source, as, at } = options
  if (source !== undefined && as !== undefined) throw new UsageError('--source and --as each name a source')
  const text = source ?? (as === undefined ? await standing(surroundings) : undefined)
  const choice = text === undefined ? null : readSource(text)
  if (choice && choice.kind !== 'appliance') {
    if (at !== undefined) throw new UsageError(`--at is for an appliance, and ${text} is none`)
    return choice
  }
  if (options['passphrase-fd'] !== undefined)
    throw new UsageError(
      '--passphrase-fd is for local: and manual:',
      'an appliance is unlocked with claviger unlock',
    )
  const profile = await chooseProfile({ as: choice?.profile ?? as, at }, surroundings, ['operator'])
  return { kind: 'appliance', profile }
}

/** @throws UsageError */
export function readSource(text: string): SourceChoice {
  try {
    return parseSource(text)
  } catch (error) {
    if (error instanceof ClavigerError)
      throw new UsageError(error.message, error.hint ?? 'claviger key show prints it')
    throw error
  }
}

/** The default of this machine. A key file in settings.json is looked for beside it. */
async function standing({ env }: Surroundings): Promise<string | undefined> {
  if (env.CLAVIGER_SOURCE) return env.CLAVIGER_SOURCE
  const directory = profileDirectory(env)
  const { source } = await readSettings(directory)
  return source?.startsWith('local:') ? `local:${resolve(directory, source.slice(6))}` : source
}

/** How a command uses its source. */
export interface Using extends Connecting {
  /** Does not say the risks: what is said goes to a machine. */
  isQuiet?: boolean
}

/**
 * Opens the source, hands it over, and closes it whatever happens. What has to be known of its kind is said first.
 *
 * @throws UsageError where there is nobody to ask for a passphrase; what opening a source throws
 */
export async function withSource<T>(
  chosen: Chosen,
  options: SourceOptions,
  surroundings: Surroundings,
  use: (source: KeySource) => Promise<T>,
  { isQuiet = false, ...connecting }: Using = {},
): Promise<T> {
  if (!isQuiet) sayRisks(chosen.kind, surroundings)
  const source = await openChosen(chosen, options, surroundings, connecting)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}

export function sayRisks(kind: KeySource['kind'], { terminal }: Pick<Surroundings, 'terminal'>): void {
  for (const risk of RISKS[kind]) terminal.say(`risk: ${risk}`)
}

async function openChosen(
  chosen: Chosen,
  options: SourceOptions,
  surroundings: Surroundings,
  connecting: Connecting,
): Promise<KeySource> {
  if (chosen.kind !== 'appliance')
    return openSource(chosen, {
      passphrase: () =>
        surroundings.terminal.secret(promptOf(chosen), '--passphrase-fd', options['passphrase-fd']),
      connect: () => Promise.reject(new TypeError('no passphrase leads to an appliance')),
    })
  const appliance = await connectHere(chosen.profile, surroundings, connecting)
  const source = applianceSource(appliance)
  const say = (text: string) => surroundings.terminal.say(text)
  return {
    ...source,
    decrypt: body => withTouch(appliance, say, () => source.decrypt(body)),
    rewrap: (body, under) => withTouch(appliance, say, () => source.rewrap(body, under)),
  }
}

/** What a passphrase is asked for with. */
export function promptOf(choice: Typed): string {
  return choice.kind === 'local'
    ? `passphrase of ${choice.path}`
    : `passphrase that is the key ${choice.key.name}`
}
