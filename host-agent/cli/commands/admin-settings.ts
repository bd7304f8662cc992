/** `claviger admin settings`: how refused tries slow the next ones down. */
import type { Settings } from '../../../protocol/api/schemas.ts'
import { COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'

type Tries = Settings['tries']
const LIMITS: { [name in keyof Tries]: number } = { free: 100, first: 3600, longest: 86_400 }

export const command: Command = {
  summary: 'show and change settings',
  usage: `claviger admin settings show
claviger admin settings set [--free N] [--first SECONDS] [--longest SECONDS]

  --free N           refused tries of an agent that cost nothing, 1 to ${LIMITS.free}
  --first SECONDS    the wait after the next one, doubled with each further one, 1 to ${LIMITS.first}
  --longest SECONDS  the longest wait, 1 to ${LIMITS.longest}
  --as NAME, --at ADDRESS, --json
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      { ...COMMON, free: { type: 'string' }, first: { type: 'string' }, longest: { type: 'string' } },
      ['show or set'],
    )
    const [verb] = positionals
    if (verb !== 'show' && verb !== 'set') throw new UsageError(`there is no admin settings ${verb}`)
    const changes = readChanges(options)
    const isChange = Object.keys(changes).length > 0
    if (verb === 'show' && isChange) throw new UsageError('settings show takes no values')
    if (verb === 'set' && !isChange) throw new UsageError('what is to be set?')
    const { terminal } = surroundings
    const profile = await chooseProfile(
      options,
      surroundings,
      verb === 'set' ? ['administrator'] : ['administrator', 'auditor'],
    )
    const settings = await withAppliance(profile, surroundings, async appliance => {
      const present = await appliance.showSettings()
      if (!isChange) return present
      const tries = { ...present.tries, ...changes }
      if (tries.longest < tries.first)
        throw new UsageError(
          `the longest wait (${tries.longest} s) is shorter than the first (${tries.first} s)`,
        )
      return appliance.changeSettings({ ...present, tries })
    })
    if (options.json) terminal.printJson(settings)
    else {
      const { free, first, longest } = settings.tries
      terminal.print(
        `after ${free} refused tries the next one waits ${first} s, then twice as long each time, up to ${longest} s`,
      )
    }
    return 0
  },
}

function readChanges(options: { [name in keyof Tries]?: string | undefined }): Partial<Tries> {
  const changes: Partial<Tries> = {}
  for (const name of ['free', 'first', 'longest'] as const) {
    const text = options[name]
    if (text === undefined) continue
    const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (value < 1 || value > LIMITS[name])
      throw new UsageError(`--${name} takes a number from 1 to ${LIMITS[name]}`)
    changes[name] = value
  }
  return changes
}
