/** `claviger lockdown`: the panic button, for everybody; and lifting it, for an administrator. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { connectProfile } from '../../client/connect.ts'
import { listProfiles, type Profile, profileDirectory, readProfile } from '../../client/profile.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

const MAX_REASON = 255

interface Options extends Choice {
  json?: boolean | undefined
  reason?: string | undefined
  'secret-fd'?: string | undefined
}

export const command: Command = {
  summary: 'panic: the device forgets every key until an administrator lifts it',
  usage: `claviger lockdown [--reason TEXT]
claviger admin lockdown [--reason TEXT]
claviger admin lockdown lift [--secret-fd N]

  --reason TEXT  what happened, for the log
  --secret-fd N  read the passphrase from file descriptor N instead of the terminal
  --as NAME, --at ADDRESS, --json

Any enrolment may lock the device down. It takes an administrator's passphrase to lift that; the device
is locked then, and opens again after claviger unlock.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      { ...COMMON, reason: { type: 'string' }, 'secret-fd': { type: 'string' } },
      ['lift?'],
    )
    const [verb] = positionals as [verb?: string]
    if (verb !== undefined && verb !== 'lift') throw new UsageError(`there is no lockdown ${verb}`)
    if (verb === 'lift' && options.reason !== undefined) throw new UsageError('--reason is for a lockdown')
    if (verb === undefined && options['secret-fd'] !== undefined)
      throw new UsageError('--secret-fd is for lockdown lift')
    if ((options.reason?.length ?? 0) > MAX_REASON)
      throw new UsageError(`--reason takes at most ${MAX_REASON} characters`)
    return verb === 'lift' ? lift(options, surroundings) : panic(options, surroundings)
  },
}

/** The same command among those of administrators. */
export const adminCommand: Command = { ...command, summary: 'start a lockdown, or lift one' }

async function panic(options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  let failure: unknown
  for (const profile of await enrolmentsOfOneDevice(options, surroundings)) {
    try {
      // Nothing may stand in the way of a panic button, a log that was tampered with least of all: no witness is asked.
      const appliance = await connectProfile(profile)
      try {
        const { state } = await appliance.lockdown(options.reason)
        if (options.json) terminal.printJson({ state })
        else {
          terminal.print('the device is in lockdown: it has forgotten every key')
          terminal.hint('an administrator lifts it: claviger admin lockdown lift')
        }
        return 0
      } finally {
        await appliance.close()
      }
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error
      failure ??= error
    }
  }
  throw failure
}

/** Every enrolment will do, and where one was revoked the next is tried: only which device must be clear. */
async function enrolmentsOfOneDevice(options: Options, surroundings: Surroundings): Promise<Profile[]> {
  if (options.as !== undefined) return [await chooseProfile(options, surroundings)]
  const directory = profileDirectory(surroundings.env)
  const names = await listProfiles(directory)
  const all = await Promise.all(names.map(name => readProfile(directory, name).catch(() => null)))
  const profiles = all.filter(profile => profile !== null && profile.device !== '') as Profile[]
  const devices = new Set(profiles.map(({ device, namespace }) => `${device} ${namespace}`))
  // The messages are those of every other command.
  if (devices.size !== 1) return [await chooseProfile(options, surroundings)]
  return options.at ? profiles.map(profile => ({ ...profile, addresses: [options.at!] })) : profiles
}

async function lift(options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  return withAppliance(profile, surroundings, async appliance => {
    const before = await appliance.status()
    const wasDown = before.state === 'lockdown'
    const { state } = wasDown
      ? await appliance.liftLockdown(await terminal.secret('passphrase', '--secret-fd', options['secret-fd']))
      : before
    if (options.json) terminal.printJson({ state })
    else {
      terminal.print(
        wasDown
          ? `the lockdown is lifted; the device is ${state}`
          : `there is no lockdown; the device is ${state}`,
      )
      if (state === 'locked') terminal.hint('unlock it with claviger unlock')
    }
    return state === 'lockdown' ? 1 : 0
  })
}
