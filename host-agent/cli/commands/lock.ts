/** `claviger lock`: the device forgets its keys until the next unlock. */
import { COMMON, type Command, readArguments } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'

export const command: Command = {
  summary: 'lock the device',
  usage: 'claviger lock [--as NAME] [--at ADDRESS] [--json]\n',

  async run(args, surroundings) {
    const { options } = readArguments(args, COMMON, [])
    const profile = await chooseProfile(options, surroundings, ['operator', 'administrator'])
    return withAppliance(profile, surroundings, async appliance => {
      const { state } = await appliance.lock()
      if (options.json) surroundings.terminal.printJson({ state })
      else surroundings.terminal.print(`the device is ${state}`)
      return 0
    })
  },
}
