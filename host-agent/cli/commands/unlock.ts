/** `claviger unlock`: an administrator's passphrase, or a staff member's PIN with this machine's share. */
import { profileDirectory } from '../../client/profile.ts'
import { typedFor, unlock } from '../../client/unlock.ts'
import { fileWitness } from '../../client/witness-file.ts'
import { COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'

export const command: Command = {
  summary: 'unlock the device with a PIN or a passphrase',
  usage: `claviger unlock [--as NAME] [--at ADDRESS] [--secret-fd N] [--json]

  --secret-fd N  read the PIN or passphrase from file descriptor N instead of the terminal
`,

  async run(args, surroundings) {
    const { options } = readArguments(args, { ...COMMON, 'secret-fd': { type: 'string' } }, [])
    const { terminal, env } = surroundings
    const profile = await chooseProfile(options, surroundings, ['operator', 'administrator'])
    const typed = typedFor(profile)
    if (typed === undefined)
      throw new UsageError(
        `${profile.name} was enrolled without a PIN`,
        'unlock with another enrolment, or enrol again',
      )
    return withAppliance(profile, surroundings, async appliance => {
      const before = await appliance.status()
      const isLocked = before.state === 'locked'
      const secret =
        isLocked && typed ? await terminal.secret(typed, '--secret-fd', options['secret-fd']) : ''
      const witness = fileWitness(profileDirectory(env), profile.name)
      const state = isLocked ? await unlock(appliance, profile, secret, witness) : before.state
      if (options.json) terminal.printJson({ state })
      else terminal.print(isLocked ? `the device is ${state}` : `the device is ${state} already`)
      return state === 'operational' ? 0 : 1
    })
  },
}
