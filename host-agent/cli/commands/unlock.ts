/** `claviger unlock`: an administrator's passphrase, or a staff member's PIN with this machine's share. */
import { profileDirectory } from '../../client/profile.ts'
import { witnessLog } from '../../client/witness.ts'
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
    const { role, hostShare, logKey } = profile
    if (role !== 'administrator' && !hostShare)
      throw new UsageError(
        `${profile.name} was enrolled without a PIN`,
        'unlock with another enrolment, or enrol again',
      )
    const ask = (prompt: string) => terminal.secret(prompt, '--secret-fd', options['secret-fd'])
    return withAppliance(profile, surroundings, async appliance => {
      const before = await appliance.status()
      const body =
        before.state !== 'locked'
          ? null
          : hostShare
            ? { pin: await ask('PIN'), hostShare }
            : { passphrase: await ask('passphrase') }
      const { state } = body ? await appliance.unlock(body) : before
      // Only now it can sign for all of its log.
      if (body && logKey !== undefined)
        await witnessLog(appliance, logKey, fileWitness(profileDirectory(env), profile.name))
      if (options.json) terminal.printJson({ state })
      else terminal.print(body ? `the device is ${state}` : `the device is ${state} already`)
      return state === 'operational' ? 0 : 1
    })
  },
}
